// Package schema compiles the JSON Schema 2020-12 documents of the UCRI formats
// and validates JSON text against them in one pass over the bytes, together
// with the JSON rules themselves (package strictjson).
//
// It supports exactly the keywords and combinations those documents use and
// refuses every other at load, so that nothing is silently ignored. It is no
// general JSON Schema implementation, and it writes no texts: a Violation
// carries a rule's name and arguments.
package schema
