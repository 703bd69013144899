// Package classification is the crosswalk of kinds of incidents: what the Czech fire
// service's type, the Saxon keyword, the Polish class and the codes of EMSI, the French
// hub and CAP have in common, and what each is called in four languages. Dispatchers
// read a neighbour's code in their own words, technicians keep the table: every row has
// its days, its history and a status of each label, a draft until a named person has
// checked it.
//
//	Table     what the crosswalk says at one moment: Label, Map, Read, Offer
//	Service   the rows and who changed them: Save, Check, Restore, History, Import
//	          neighbours' catalogues (UCRI 2, classification_catalogue): Ask, Apply
//	Pages     its screens
//
// types.csv is the table as the program brings it; ">" before a code marks one that is
// sent for the type but does not name it. The package translates codes and no words that
// a person wrote, and it does not decide what is sent to whom.
package classification

import (
	"embed"
	"io/fs"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

//go:embed types.csv
var typesFile []byte

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead  = "classification.read"
	mayEdit  = "classification.edit"
	mayCheck = "classification.check"
	mayAsk   = "classification.ask"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "classification", Key: "classification.nav", URL: root, Action: mayRead}}
}

// Shipped are the rows as the program brings them. The caller must not change them.
var Shipped = sync.OnceValue(func() []Row {
	rows, faults := ReadFile(typesFile)
	if len(faults) > 0 {
		panic(faults[0]) // a test reads the file
	}
	return rows
})

// zone is that of the three countries, in which days begin.
var zone = sync.OnceValue(func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		return time.UTC
	}
	return z
})
