"""A preprocessor of mdBook: links that leave docs/ go to the repository, since a page is all that the book has.

In the sources they stay relative (`../examples/policy.yaml`), so that they work on GitHub and in a checkout.
"""

import json
import sys

if sys.argv[1:2] == ["supports"]:
    sys.exit(0)

context, book = json.load(sys.stdin)
repository = context["config"]["output"]["html"]["git-repository-url"]


def rewrite(node):
    if isinstance(node, list):
        return [rewrite(item) for item in node]
    if isinstance(node, dict):
        return {name: rewrite(item) for name, item in node.items()}
    return node.replace("](../", f"]({repository}/blob/main/") if isinstance(node, str) else node


json.dump(rewrite(book), sys.stdout)
