// Package edxl reads and writes the envelope in which emergency messages travel in
// many countries: OASIS EDXL-DE 1.0 and 2.0 in XML, and the JSON profile of 2.0 that
// the French national health hub uses, with that hub's acknowledgements and error
// reports. It is for the adapters, the converter and the validator.
//
// An envelope that its schema refuses is refused; what the schema permits and people
// should know is a warning. What lies in an envelope (EMSI above all) is handed on as
// it stands: other packages read it. Nothing is signed, addressed, sent or expired
// here, and all is pure: no clock, no random, no files, no network.
package edxl
