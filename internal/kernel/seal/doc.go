// Package seal keeps payloads with personal data unreadable without their key.
// There is one key per subject (an incident), wrapped by a node key that lies
// outside the database; deletion is destruction of the subject's key and so
// reaches every copy of the data. It is for modules that store such payloads
// and for the audit log, whose salts hang on the same keys. It is not transport
// encryption, and it does not decide when something has to be deleted.
package seal
