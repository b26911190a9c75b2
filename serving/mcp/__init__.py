"""`storm mcp`: the sandbox, the plan examination and the agent as tools for other agents (Model Context Protocol).

config            the settings of `storm mcp`
mcp_server        the protocol: listings, calls, resources
stdio, http       its two transports
tools             the tools: name, description, arguments, result
tool_calls        validating a call, and answering with data or with an error of a category
programs, plans, asking    what the tools do
workspaces        what a client keeps on the server: runs, jobs and sessions
runs, jobs, notebooks, quota    these three, and how much of them
resources         files of a run, by URI
roots             files of this machine that programs may read
tool_errors       the categories of errors
"""
