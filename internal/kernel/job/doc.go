// Package job runs durable background work for the modules of a node: what was
// enqueued in a committed transaction is run at least once, by one worker at a
// time, on whichever instance is free, and tried again when it fails. It also
// starts work at fixed times, once for the whole node.
//
// A worker is of one kind (live, exercise, test) and can't take work of another.
// Whoever needs an effect exactly once makes it and [Job.Finish] in the same
// transaction. Payloads and errors are stored as they are and must hold ids, not
// personal data.
//
// It is for work whose order does not matter and of which there are few a
// second; messages to neighbours have an outbox of their own.
package job
