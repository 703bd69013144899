package ucri

// NodeStatus is what a node says of itself (spec: UCRI 2 transport 2.0.0, info).
type NodeStatus int

// The values of Info.Status.
const (
	NodeNormal   NodeStatus = 0
	NodeStarting NodeStatus = 1 // the first registry request to every peer is not yet done
	NodeFaulty   NodeStatus = 2
)

// Info describes a node (spec: UCRI 2 transport 2.0.0, info).
type Info struct {
	APIVersion      string     `json:"apiVersion"`
	UCRMProvider    string     `json:"ucrmProvider"`
	UCRMProductName string     `json:"ucrmProductName"`
	UCRMVersion     string     `json:"ucrmVersion"`
	Status          NodeStatus `json:"status"`
}
