"""`cev demo`: the whole story on a real broker, told as it happens.

story    the chapters, in order
stage    the broker and the processes that the story runs on
telling  how it looks on a terminal and in a file
promises what must be true at the end
"""
