// Package store is the one place where state lives: an SQL database, SQLite in
// the node's own folder or PostgreSQL when several instances share the work.
// It gives every module the same four things: migrations, durable writes,
// consistent reads and wake-ups between goroutines and instances.
//
// All writes of a node are serial. Callers hand a function to [DB.Write]; what
// waits together is committed together (group commit), so that one fsync serves
// many callers, and Write returns only when the commit is on disk. On PostgreSQL
// every batch holds one advisory lock, which makes the batches of several
// instances serial too: counters have no gaps and rows become visible in the
// order of their numbers (docs/adr/0004-serial-group-committed-writes.md).
//
// It does not know any module's tables and is not an object mapper: modules
// write SQL in the subset both engines understand.
package store
