package gateway

const (
	root     = "/gateways"
	trayRoot = "/tray"
)
