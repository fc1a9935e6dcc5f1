"""What a video needs besides rows: type, probe and ladder by ffmpeg, WebVTT, delivery, the worker's loop.

The rules of uploads, captions and the library are in `service`; who may see which video is in `access`.
"""
