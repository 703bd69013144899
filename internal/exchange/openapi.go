package exchange

import (
	_ "embed"
	"net/http"
)

//go:embed openapi/exchange.json
var openAPI []byte

// ServeOpenAPI answers with the description of both interfaces in our own words.
// spec: OpenAPI 3.1.
func ServeOpenAPI(w http.ResponseWriter, r *http.Request) error {
	write(w, http.StatusOK, openAPI)
	return nil
}
