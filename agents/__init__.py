"""The LangGraph state machines, the reasoners, the interveners and the seven triggers."""
