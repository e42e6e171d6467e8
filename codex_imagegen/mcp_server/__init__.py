"""The MCP server: the program as tools of an agent, over stdin and stdout; needs the extra ``mcp``."""
