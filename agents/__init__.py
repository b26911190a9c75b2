"""Who thinks: the LangGraph machines, the reasoners, the interveners and the seven triggers."""
