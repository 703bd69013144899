package ucri

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"trojmezi/internal/format/ucri/schema"
)

//go:embed schemas
var schemaFiles embed.FS

// SchemaFiles holds the JSON Schema documents (draft 2020-12) of the messages,
// <app>/<version>/<message>.schema.json, of the transport,
// transport/2.0.0/<request>.schema.json, and shared.json with their common
// definitions. They are our own; they accept what the specification's accept,
// and OIDs and sequence numbers only up to a length.
func SchemaFiles() fs.FS {
	sub, err := fs.Sub(schemaFiles, "schemas")
	if err != nil {
		panic(err) // the path is constant
	}
	return sub
}

// patterns are the regular expressions of the schema documents, by hand.
var patterns = map[string]schema.Pattern{
	`^[0-9]+(\.[0-9]+)*\.?$`: {Rule: "oid", Match: ValidOID}, // the same language as the specification's, without nested repetition
	`^[0-9]+$`:               {Rule: "digits", Match: func(s string) bool { return s != "" && allDigits(s) }},
	`^[0-9]*$`:               {Rule: "digits", Match: allDigits},
	`^[A-Z]{2}$`:             {Rule: "country", Match: func(s string) bool { return len(s) == 2 && s[0]-'A' < 26 && s[1]-'A' < 26 }},
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

const (
	idPrefix         = "urn:trojmezi:ucri2:"
	transportFolder  = "transport"
	transportVersion = "2.0.0"
	schemaSuffix     = ".schema.json"
)

// message names one message of an app.
type message struct{ app, version, schema string }

type catalogue struct {
	messages map[message]*schema.Schema
	versions map[string][]string    // of an app
	schemas  map[[2]string][]string // of an app and version
	apps     []string

	clientSend, p2pSend, receive, commit, participant *schema.Schema
}

var loaded = sync.OnceValue(func() *catalogue {
	files := SchemaFiles()
	set, err := schema.Load(files, patterns)
	if err != nil {
		panic(err) // the embedded documents; every test would fail
	}
	transport := func(name string) *schema.Schema {
		return set.Get(idPrefix + transportFolder + ":" + transportVersion + ":" + name)
	}
	c := &catalogue{
		messages:    map[message]*schema.Schema{},
		versions:    map[string][]string{},
		schemas:     map[[2]string][]string{},
		clientSend:  transport("client_send"),
		p2pSend:     transport("p2p_send"),
		receive:     transport("receive"),
		commit:      transport("commit"),
		participant: transport("participant"),
	}
	paths, err := fs.Glob(files, "*/*/*"+schemaSuffix) // in lexical order
	if err != nil {
		panic(err) // the pattern is constant
	}
	for _, path := range paths {
		part := strings.Split(strings.TrimSuffix(path, schemaSuffix), "/")
		m := message{part[0], part[1], part[2]}
		if m.app == transportFolder {
			continue
		}
		if !slices.Contains(c.apps, m.app) {
			c.apps = append(c.apps, m.app)
		}
		if !slices.Contains(c.versions[m.app], m.version) {
			c.versions[m.app] = append(c.versions[m.app], m.version)
		}
		av := [2]string{m.app, m.version}
		c.schemas[av] = append(c.schemas[av], m.schema)
		c.messages[m] = set.Get(idPrefix + strings.Join(part, ":"))
	}
	return c
})
