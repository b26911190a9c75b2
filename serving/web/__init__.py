"""The page of `storm serve`: static files and the routes that serve them."""
