#!/bin/sh
# Send a question with curl. Start the server first: storm serve
URL=${STORM_URL:-http://127.0.0.1:8000/v1}
SHOP='A carpentry shop makes shelves and stools. Each unit of shelves takes 6 hours of labor and 11 boards of wood and
brings a profit of $66. Each unit of stools takes 14 hours of labor and 9 boards of wood and brings a profit of $62.
There are only 168 hours of labor available. There are only 163 boards of wood available. Any fraction of a unit is
allowed. Plan production to maximize profit. What profit results?'
QUESTION=${1:-$(echo "$SHOP" | tr '\n' ' ')}

python3 -c 'import json, sys; print(json.dumps({
    "model": "storm", "stream": False, "messages": [{"role": "user", "content": sys.argv[1]}]
}))' "$QUESTION" |
    curl -sS "$URL/chat/completions" -H "Content-Type: application/json" \
        -H "Authorization: Bearer ${STORM_API_KEY:-none}" -d @- |
    python3 -m json.tool
