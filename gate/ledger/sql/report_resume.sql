-- report_resume: a person has ended the stop of an account; reloads are counted from then on.
--
-- $1 organization_id  text
-- $2 epoch            bigint
-- $3 seq              bigint
INSERT INTO drift_report (organization_id, kind, epoch, seq, action)
VALUES ($1, 'person', $2, $3, 'resume')
