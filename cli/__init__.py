"""The command `storm`: one file a command, each thin over the packages."""
