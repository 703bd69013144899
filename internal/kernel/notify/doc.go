// Package notify carries news out of the house, by e-mail and by signed webhook,
// to the people of a node who are not looking at a screen: the technician when
// something is ill, the shift leader when an alarm rings and no console is open.
//
// What is sent stands in an outbox, written in the transaction of its cause, and
// leaves by one queue for each channel (kernel/job), so that a dead channel holds
// up no other. A channel is of one kind, live unless the configuration says
// otherwise, and takes notifications of that kind only: an exercise can't alarm
// anybody for real. Every text is a key with arguments, written in the languages
// of the one who reads it.
//
// It is not the alarm of the console, knows no shifts and no escalation, and
// does not send short messages. Arguments are stored as they are: they hold ids
// and measures, never a caller's or patient's data.
package notify
