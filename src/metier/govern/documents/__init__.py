"""Documents drawn from the records: model card, data sheet, technical files, crosswalks, bill of materials, changes.

Every figure names the record it was read from; what only a person can say is asked, and never made up.
"""
