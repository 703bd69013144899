package gateway

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
)

// Config is one gateway, an entry of the list under the key "gateways".
type Config struct {
	Name   string `yaml:"name"`   // in commands, logs and metrics
	OID    string `yaml:"oid"`    // the participant of this node that stands for the system
	System string `yaml:"system"` // an adapter's
	// Partner is the system's own address, as its messages write it.
	Partner string `yaml:"partner"`
	// Addresses are what participants are called in the foreign system; one that is not
	// here is called by its OID.
	Addresses []Address `yaml:"addresses"`
	// Receipts: a message counts as handed over when the system's machine has said so,
	// and is sent again until then. False: when the transport has it.
	Receipts  *bool            `yaml:"receipts"`
	Resend    time.Duration    `yaml:"resend"` // how long a receipt is waited for; 0: DefaultResend
	Transport transport.Config `yaml:"transport"`
}

// Address is a participant's name in the foreign system.
type Address struct {
	OID  string `yaml:"oid"`
	Name string `yaml:"name"`
}

// DefaultResend is what the neutral profiles demand.
const DefaultResend = 30 * time.Second

// minResend keeps a misspelt unit from storming the other side.
const minResend = time.Second

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // list index and keys below "gateways"
	Key  string
	Args i18n.Args
}

var gatewayName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Validate returns every mistake found in the list and fills in defaults. node is the
// configuration of the exchange at whose addresses the gateways stand.
func Validate(list []Config, node exchange.Config, adapters []*adapter.Adapter) []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	names, oids := map[string]bool{}, map[string]bool{}
	served := map[string]bool{}
	for _, a := range node.Accounts {
		for _, o := range a.OIDs {
			served[o] = a.Type == "client"
		}
	}
	for i := range list {
		c := &list[i]
		if !gatewayName.MatchString(c.Name) || names[c.Name] {
			add("gateway.config.name", i18n.Args{"value": c.Name}, i, "name")
		}
		names[c.Name] = true
		switch {
		case !ucri.ValidOID(c.OID), !node.HasParticipant(c.OID):
			add("gateway.config.oid", i18n.Args{"value": c.OID}, i, "oid")
		case served[c.OID]:
			add("gateway.config.served", i18n.Args{"value": c.OID}, i, "oid")
		case oids[c.OID]:
			add("gateway.config.twice", i18n.Args{"value": c.OID}, i, "oid")
		}
		oids[c.OID] = true
		if find(adapters, c.System) == nil {
			add("gateway.config.system", i18n.Args{"value": c.System}, i, "system")
		}
		if c.Partner == "" {
			add("gateway.config.partner", nil, i, "partner")
		}
		called := map[string]bool{c.Partner: true}
		for j, a := range c.Addresses {
			if !ucri.ValidOID(a.OID) {
				add("gateway.config.address_oid", i18n.Args{"value": a.OID}, i, "addresses", j, "oid")
			}
			if a.Name == "" || called[a.Name] {
				add("gateway.config.address", i18n.Args{"value": a.Name}, i, "addresses", j, "name")
			}
			called[a.Name] = true
		}
		if c.Resend = cmp.Or(c.Resend, DefaultResend); c.Resend < minResend {
			add("gateway.config.resend", nil, i, "resend")
		}
		for _, f := range c.Transport.Validate() {
			add(f.Key, f.Args, append([]any{i, "transport"}, f.Path...)...)
		}
	}
	return faults
}

func find(adapters []*adapter.Adapter, system string) *adapter.Adapter {
	if i := slices.IndexFunc(adapters, func(a *adapter.Adapter) bool { return a.System == system }); i >= 0 {
		return adapters[i]
	}
	return nil
}

// receipts reports whether the system's machine answers.
func (c *Config) receipts() bool { return c.Receipts == nil || *c.Receipts }

// nameOf is what a participant is called in the foreign system.
func (c *Config) nameOf(oid string) string {
	for _, a := range c.Addresses {
		if a.OID == oid {
			return a.Name
		}
	}
	return oid
}

// serves reports whether a participant has a name of its own in the foreign system.
func (c *Config) serves(oid string) bool {
	return slices.ContainsFunc(c.Addresses, func(a Address) bool { return a.OID == oid })
}

// oidOf is the participant that an address of the foreign system means, "" for none.
func (c *Config) oidOf(name string) string {
	for _, a := range c.Addresses {
		if a.Name == name {
			return a.OID
		}
	}
	if ucri.ValidOID(name) {
		return name
	}
	return ""
}
