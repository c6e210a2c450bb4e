"""The pipeline of `create`: a corpus becomes shards of training records.

job           what every task knows, and what is made of it once a process
tokenizing    split -> blocks -> tokenized documents -> a blob a partition
building      slices of blobs -> instances -> shards
machine       a worker made ready
review        a look at a sample before the work, and at the results after it
pipeline      the one page that knows the order of the stages
"""
