// Package register knows the places of the region: municipalities of three
// countries with their codes, names in the neighbours' languages and points;
// which country a point lies in and how sure that is; what is known of a municipality without
// asking anybody (Facts, by the schema of package fact); the areas, the border and
// the rivers as a map. It is for every form that takes a place and every page
// that shows one. What it ships is derived from points and says so; official
// boundaries and tiles come from the operator (Imports). It keeps no contacts and no facts
// of other modules, and it never decides membership by an approximate polygon.
package register
