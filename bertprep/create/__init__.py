"""The `create` command: a corpus becomes shards of training records.

    options -> job -> plan -> stages -> manifest -> review

job           everything that is checked and resolved before anything is written
tokenizing    stage 1: a split -> tokenized documents, dealt to partitions
building      stage 2: a partition -> instances -> shards
worker        what each process makes of a job: tokenizer, compiled kernels
review        checks on a sample before the work, and on the results after it
pipeline      the order of all this
"""
