"""The report of a models directory as one HTML file that needs no network.

``ReportData`` comes in; the text of the file goes out.  A question on top and its answer, all symbols,
pictures with their figures, and a panel per symbol.  Values travel as JSON, the browser draws them.

Reading order: ``data``, ``page``; ``front`` is what stands before any script, ``symbols`` the table and the
panels, ``charts`` the pictures.

Not here: where the values are from (``desk.run_report``), and what is derived from them
(``desk.learn.overview``).
"""
