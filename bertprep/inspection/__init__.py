"""Records of any tool -> what is in them: shown, verified, measured, compared, reported.

    show            selected records as text or JSON
    verify          every byte and every rule
    statistics      counts of all records, with what the algorithm predicts
    compare         two data sets, record by record and count by count
    report          one HTML page with charts

`scan` reads all records on all cores for the last four; `selection` and `masked_record` read single
records in plain Python, without waiting for a compiler.
"""
