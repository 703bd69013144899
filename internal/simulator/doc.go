// Package simulator plays the foreign side of a connection: a control room's system
// that speaks a profile of docs/profiles, or the French hub. It sends events, judges
// strictly what comes, answers as that system and as the person at it, makes every
// mistake of a list on demand, is slow and is down. It is for tests, the demo and
// whoever tries a connection.
//
// It is written against the profile documents alone and shares no code with the
// adapters: what both got wrong in the same way, nobody would find. It stores nothing
// and is no control room's system.
package simulator
