"""`eventbus demo`: real files on their way through buckets, a topic, functions and a queue.

`flow` is the example, written to be read; `collect` chooses the files, `play` sends them through, `narrator` tells what
happens and `report` what became of it. The sample files are in `files`.
"""
