#!/bin/sh
# Ask with curl. Start the server first: storm serve
URL=${STORM_URL:-http://127.0.0.1:8000/v1}
QUESTION=${1:-$(storm families --show knapsack)}

python3 -c 'import json, sys; print(json.dumps({
    "model": "storm", "stream": False, "messages": [{"role": "user", "content": sys.argv[1]}]
}))' "$QUESTION" |
    curl -sS "$URL/chat/completions" -H "Content-Type: application/json" \
        -H "Authorization: Bearer ${STORM_API_KEY:-none}" -d @- |
    python3 -m json.tool
