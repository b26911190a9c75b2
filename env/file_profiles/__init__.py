"""What the prompt says about data files: enough to write a program that reads them without opening them first.

`description` shares the prompt's space among the files, `profile_file` reads one file: `delimited` CSV and the like,
`workbook` Excel, `json_shape` JSON. `table` and `column` measure tables, `links` finds references among them, `shown`
makes untrusted text harmless.
"""
