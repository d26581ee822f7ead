"""What a user asks for: a bitstream, a project for the maker's tools, and either on its board."""
