"""From RTLIL to a bitstream, tool by tool, and the search for the clock."""
