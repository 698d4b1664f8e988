-- Each second every lagerd looks for shops that have an invoice due. An invoice with
-- nothing left to fetch stands among those with pdf_state 'stored' and lines_read TRUE,
-- where nobody looks; of the others, the first and the last due of each dataset tell
-- all, however many there are. Nothing uses invoices_work any more.
ALTER TABLE invoices ADD KEY invoices_due (pdf_state, lines_read, shop, work_due_at), DROP KEY invoices_work;
