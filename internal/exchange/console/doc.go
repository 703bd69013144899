// Package console is the dispatcher's work: what came in and what went out, who
// has to do something about it and by when, and every action a person takes. It
// is for control rooms without a dispatch system of their own and for those who
// want to watch theirs.
//
// It reads the node's feed of each organisation's own addresses into tables of
// its own, which can be built anew (Rebuild); what persons did stands in tables
// that Rebuild leaves alone. Content stays in the node's sealed envelopes.
//
//	Service                       New, Run, Tick, Rebuild, Watch, Organisation
//	reading                       Queue, Incident, Alarms, Raw, Drafts, Draft, Settings
//	an incoming hand-over         Open, Claim, Unclaim, Accept, Reject, Begin, Complete, Abort
//	an outgoing hand-over         HandOver, Withdraw, TakenOverByTelephone, Reached, NoAnswer
//	both                          Text, Say, Translate, Change, PassOn, Edit, LeaveEdit, RequestResources, AnswerRequest
//	several records of one event  Candidates, Merge, Apart, Separate
//	alarms                        See, Shelve, Unshelve
//	neighbours                    Rooms, Room, DirectoryFaults, SetRoom, TestCall
//	archive                       Search, Export, Statistics, StatisticsCSV, AlarmStatistics
//	a person's request            Look, Recall, KeptUntil
//	deletion                      Retentions, SetRetention, Schedule, Erase
//	drafts                        SaveDraft, DropDraft, HandOn
//	consoles and shifts           Connect, Armed, Disconnect, Consoles, StartShift, EndShift, TakeShift, OnDuty, Shifts
//
// Every action takes the Actor and an idempotency key where it sends: the same
// key sends once. Refusals are *problem.Error with a text of the locales.
//
// The screens of all that are Pages, in http_*.go and *.templ: they decide nothing
// and hold no state but the open streams. The package opens no connection; it never
// presumes that a person accepted anything.
package console
