"""The MCP server: the program as tools for an agent, over stdin and stdout; needs the extra ``mcp``."""
