"""Talking to providers outside, one module each; what for is the services' business."""
