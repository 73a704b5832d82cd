"""A long run of valid and hostile load side by side against one server."""
