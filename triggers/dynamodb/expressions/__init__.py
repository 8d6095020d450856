"""The expression language of DynamoDB: texts are parsed once, bound to names and values, and evaluated on items.

    text ──parse──► tree (kept by text) ──bind(names, values)──► checked tree ──evaluate(item)──► answer

Pure: no clock, no table, no bus.
"""
