"""`cev demo`: a story on a real broker, told as it happens.

story                  the chapters, in order: from the command to the fact
promises               what must be true at its end
conversation           the chapters about payment
conversation_promises  what must be true at their end
stage                  the broker and the processes that a story runs on
telling                how it looks on a terminal and in a file
"""
