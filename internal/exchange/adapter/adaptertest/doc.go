// Package adaptertest is the suite that every adapter passes: what it must do with
// messages of its own system, with those of UCRI 2, and with bytes that are neither.
// An adapter's test is one call of Run with a folder of messages, another of Fuzz and
// one of Bench.
//
// It judges by the published schemas and by what went in, not by the code that
// converts, and knows nothing of any one system.
package adaptertest
