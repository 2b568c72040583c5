"""Features to an examined model.  Pure: no file, no network, no clock but the CPU's for timing."""
