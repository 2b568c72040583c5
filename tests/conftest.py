"""What holds for every test."""

import signal

# Started in the background of a script, processes and their children ignore SIGINT; several tests send it to
# children of theirs, as a user's Ctrl-C does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
