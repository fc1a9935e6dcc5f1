"""Stories that cross all worlds: real processes, real Chromium, one stack for all of them."""
