package edxl

import (
	"slices"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// The namespaces of what stands in envelopes.
const (
	spaceCommon    = "urn:oasis:names:tc:emergency:edxl:ct:1.0"
	spaceExtension = "urn:oasis:names:tc:emergency:edxl:extension:1.0"
	spaceGeo       = "urn:oasis:names:tc:emergency:edxl:gsf:1.0"
	spaceGML       = "http://www.opengis.net/gml/3.2"
	spaceAddress   = "urn:oasis:names:tc:emergency:edxl:ciq:1.0:xal"
	spaceCIQ       = "urn:oasis:names:tc:emergency:edxl:ciq:1.0:ct"
	spaceXLink     = "http://www.w3.org/1999/xlink"
	spaceXML       = "http://www.w3.org/XML/1998/namespace"
)

// The words of the tables.
var (
	leaf, seq, attribute, must, in, of = shape.Leaf, shape.Seq, shape.Attribute, shape.Must, shape.In, shape.Of
	need, may, some, free              = shape.Need, shape.May, shape.Some, shape.Free
	list, matching                     = shape.Codes, shape.Matching
)

func xlink(name string, v *shape.Value) shape.Member { return attribute(spaceXLink, name, v) }

// xlinkValues are those of XLink's attributes wherever they may stand.
var xlinkValues = map[string]*shape.Value{
	"type": list("simple", "extended", "title", "resource", "locator", "arc"), "href": uri, "role": roles, "arcrole": roles, "title": text,
	"show": list("new", "replace", "embed", "other", "none"), "actuate": list("onLoad", "onRequest", "other", "none"),
	"label": ncName, "from": ncName, "to": ncName,
}

// resource are the attributes of what links may lead to.
var resource = []shape.Member{xlink("type", list("resource")), xlink("role", roles), xlink("title", text), xlink("label", ncName)}

var (
	tokens = leaf(token)
	texts  = leaf(text)
	uris   = leaf(uri)

	confidentiality = leaf(list("Unclassified", "Classified"))

	valueList = seq(in(spaceCommon, need("ValueListURI", uris)), in(spaceCommon, some("Value", texts)))

	extension = seq(need("community", uris), need("id", uris), some("parameter", seq(
		need("nameURI", &shape.Type{Value: uri, Members: []shape.Member{attribute("", "xPath", text)}}),
		some("value", &shape.Type{Value: token, Members: []shape.Member{attribute("", "uom", text)}}))))
	extensions = in(spaceExtension, free("extension", extension))

	link = seq(must(xlink("type", list("arc"))), xlink("arcrole", roles), xlink("title", text), xlink("show", xlinkValues["show"]),
		xlink("actuate", xlinkValues["actuate"]), xlink("from", ncName), xlink("to", ncName))

	address2 = seq(need("explicitAddressScheme", tokens), some("explicitAddressValue", tokens))

	targetAreas = seq(
		need("areaKind", leaf(list("SourceTargetArea", "DistributionTargetArea", "OtherTargetArea", "Unknown", "NoAppropriateDefault"))),
		need("areaGrouping", leaf(list("Intersection", "Union", "ExclusiveOr", "Complement", "OtherGroupingType", "Unknown", "NoAppropriateDefault"))),
		some("targetArea", seq(
			of(1, in(spaceGeo, need("EDXLGeoLocation", geoLocation))),
			of(1, need("geoPoliticalLocation", seq(of(1, in(spaceCommon, need("Address", postal))), of(1, in(spaceCommon, need("GeoCode", valueList)))))))))

	descriptor = seq(append([]shape.Member{
		may("combinedConfidentiality", confidentiality), may("language", leaf(lang)),
		free("senderRole", valueList), free("recipientRole", valueList), free("keyword", valueList),
		free("explicitAddress", address2), free("targetAreas", targetAreas),
		may("urgency", leaf(list("Immediate", "Expected", "Future", "Past", "Unknown", "NoAppropriateDefault"))),
		may("severity", leaf(list("Extreme", "Severe", "Moderate", "Minor", "Unknown", "NoAppropriateDefault"))),
		may("certainty", leaf(list("Observed", "Likely", "Possible", "Unlikely", "Unknown", "NoAppropriateDefault"))),
		free("incidentID", tokens), free("incidentDescription", tokens), free("link", link), extensions,
	}, resource...)...)

	contentDescriptor = seq(may("contentDescription", tokens), free("contentKeyword", valueList), free("originatorRole", valueList),
		free("consumerRole", valueList), free("contentID", tokens), may("confidentiality", confidentiality),
		may("contentLanguage", leaf(lang)), extensions)

	otherContent = &shape.Type{
		Members: []shape.Member{need("mimeType", tokens), may("size", leaf(number)), may("digest", leaf(base64Data)), may("uri", uris), may("contentData", leaf(base64Data))},
		More: func(path string, n *tree.Node) []shape.Deviation {
			if n.Get("uri") == nil && n.Get("contentData") == nil {
				return []shape.Deviation{shape.Breach(n, path, "choice", "uri, contentData")}
			}
			return nil
		},
	}

	contentObject = seq(append([]shape.Member{
		may("contentDescriptor", contentDescriptor),
		of(1, need("contentXML", seq(may("keyXMLContent", foreign2), need("embeddedXMLContent", foreign2)))), of(1, need("otherContent", otherContent)),
		free("other", foreign2),
	}, resource...)...)

	content = seq(append([]shape.Member{some("contentObject", contentObject), free("link", link)}, resource...)...)

	statuses2 = list("Actual", "Exercise", "System", "Test", "Unknown", "NoAppropriateDefault")
	kinds2    = list("Report", "Update", "Cancel", "Request", "Response", "Dispatch", "Ack", "Error",
		"SensorConfiguration", "SensorControl", "SensorStatus", "SensorDetection", "Unknown", "NoAppropriateDefault")

	// root2 is edxlDistribution (spec: EDXL-DE 2.0 CS02, its XSD).
	root2 = seq(need("distributionID", tokens), need("senderID", tokens), need("dateTimeSent", leaf(dateTime2)), need("dateTimeExpires", leaf(dateTime2)),
		need("distributionStatus", leaf(statuses2)), need("distributionKind", leaf(kinds2)), extensions,
		may("descriptor", descriptor), may("content", content), free("other", foreign2),
		must(xlink("type", list("extended"))), xlink("role", roles), xlink("title", text))
)

// Geography: the profile of GML (spec: edxl-gsf 1.0).
var (
	reference = []shape.Member{attribute("", "srsName", uri), attribute("", "srsDimension", many), attribute("", "axisLabels", names), attribute("", "uomLabels", names)}
	geometry  = append([]shape.Member{must(attribute(spaceGML, "id", ncName))}, reference...)
	position  = &shape.Type{Value: points, Members: reference}
	positions = &shape.Type{Value: points, Members: append([]shape.Member{attribute("", "count", many)}, reference...)}
	measure   = &shape.Type{Value: double, Members: []shape.Member{must(attribute("", "uom", unit))}}

	point  = seq(append([]shape.Member{need("pos", position)}, geometry...)...)
	circle = seq(need("pos", position), need("radius", measure), must(attribute("", "numArc", one)), attribute("", "interpolation", list("circularArcCenterPointWithRadius")),
		attribute("", "numDerivativesAtStart", number), attribute("", "numDerivativesAtEnd", number), attribute("", "numDerivativeInterior", number))
	exterior = seq(need("LinearRing", ring))
	ring     = seq(shape.Member{Name: "pos", Min: 4, Type: position})
	polygon  = seq(append([]shape.Member{may("exterior", exterior)}, geometry...)...)
	envelope = seq(append([]shape.Member{need("lowerCorner", position), need("upperCorner", position)}, reference...)...)
	lines    = seq(append([]shape.Member{of(1, shape.Member{Name: "pos", Min: 2, Type: position}), of(1, need("posList", positions))}, geometry...)...)

	geoLocation = seq(of(1, in(spaceGML, need("Point", point))), of(1, in(spaceGML, need("CircleByCenterPoint", circle))), of(1, in(spaceGML, need("Polygon", polygon))),
		of(1, in(spaceGML, need("Envelope", envelope))), of(1, in(spaceGML, need("LineString", lines))))
)

// Postal addresses: the profile of xAL (spec: edxl-ciq 1.0).
var (
	abbreviation = attribute(spaceCIQ, "Abbreviation", truth)
	nameParts    = some("NameElement", texts)
	identifier   = &shape.Type{Value: text, Members: []shape.Member{
		attribute(spaceAddress, "Type", exactly("Name", "RangeFrom", "Range", "RangeTo", "Prefix", "Suffix", "Number", "Separator", "Extension")), abbreviation}}
	streetName = &shape.Type{Value: text, Members: []shape.Member{abbreviation, attribute(spaceAddress, "NameType",
		exactly("NameOnly", "PreDirection", "PostDirection", "NameAndNumber", "NameAndType", "NameNumberAndType", "Unstructured", "SubThoroughfareConnector", "ReferenceLocation", "Type"))}}

	// street is names and numbers in any order, which is no sequence.
	street = &shape.Type{Open: true, Members: []shape.Member{attribute(spaceAddress, "Type", text)}, More: func(path string, n *tree.Node) (found []shape.Deviation) {
		parts := 0
		for p, k := range kids(path, n) {
			switch {
			case k.Space == spaceAddress && k.Name == "NameElement":
				found = append(found, shape.CheckNode(k, tree.XML, p, streetName)...)
			case k.Space == spaceAddress && k.Name == "Number":
				found = append(found, shape.CheckNode(k, tree.XML, p, identifier)...)
			case strings.HasPrefix(k.Name, tree.AttributeMark) && (k.Space == spaceAddress && strings.HasSuffix(k.Name, ":Type") || schemaLocation(k)):
				continue
			default:
				found = append(found, shape.Breach(k, p, "unknown", ""))
				continue
			}
			parts++
		}
		if parts == 0 {
			found = append(found, shape.Breach(n, path, "choice", "NameElement, Number"))
		}
		return found
	}}

	postal = seq(in(spaceAddress, may("FreeTextAddress", seq(some("AddressLine", texts)))), in(spaceAddress, may("Country", seq(need("NameElement", texts)))),
		in(spaceAddress, may("AdministrativeArea", seq(nameParts, may("SubAdministrativeArea", seq(nameParts))))),
		in(spaceAddress, may("Locality", seq(nameParts, may("SubLocality", seq(nameParts))))),
		in(spaceAddress, may("Thoroughfare", street)), in(spaceAddress, may("PostCode", seq(some("Identifier", identifier)))))
)

// schemaLocation reports whether an attribute says where a schema lies, which it may
// anywhere.
func schemaLocation(n *tree.Node) bool {
	return n.Space == "http://www.w3.org/2001/XMLSchema-instance" && (strings.HasSuffix(n.Name, ":schemaLocation") || strings.HasSuffix(n.Name, ":noNamespaceSchemaLocation"))
}

// exactly is a list of codes that white space would change.
func exactly(codes ...string) *shape.Value { v := list(codes...); v.Collapse = false; return v }

// foreign2 and foreign1 hold elements of other namespaces (xs:any ##other): 2.0 one,
// 1.0 at least one (from memory).
var foreign2, foreign1 = &shape.Type{Open: true}, &shape.Type{Open: true}

func init() {
	// Here, because what stands in a foreign element may be an envelope again.
	global = globals()
	foreign2.More = func(path string, n *tree.Node) []shape.Deviation { return foreign(path, n, Space2, true) }
	foreign1.More = func(path string, n *tree.Node) []shape.Deviation { return foreign(path, n, Space1, false) }
}

// foreign checks the children of a node into which those of other namespaces belong.
func foreign(path string, n *tree.Node, own string, single bool) (found []shape.Deviation) {
	elements := 0
	for p, k := range kids(path, n) {
		isElement := !strings.HasPrefix(k.Name, tree.AttributeMark)
		if isElement {
			elements++
		}
		if k.Space == "" || k.Space == own {
			found = append(found, shape.Breach(k, p, "namespace", ""))
		} else if single {
			found = append(found, known(p, k)...)
		}
	}
	if elements == 0 || single && elements > 1 {
		found = append(found, embedded(path, n))
	}
	return found
}

func embedded(path string, n *tree.Node) shape.Deviation {
	d := shape.Breach(n, path, "embedded", "")
	d.Key = "edxl.rule.embedded"
	return d
}

// global are the types of the elements that the schema of 2.0 knows anywhere, by
// namespace and name: also in foreign content it judges them (processContents lax).
var global map[[2]string]*shape.Type

func globals() map[[2]string]*shape.Type {
	return map[[2]string]*shape.Type{
		{Space2, "edxlDistribution"}: root2, {Space2, "descriptor"}: descriptor, {Space2, "content"}: content, {Space2, "contentObject"}: contentObject,
		{Space2, "contentDescriptor"}: contentDescriptor, {Space2, "link"}: link, {spaceExtension, "extension"}: extension,
		{spaceCommon, "ValueListURI"}: uris, {spaceCommon, "Value"}: texts, {spaceGeo, "EDXLGeoLocation"}: geoLocation, {spaceAddress, "Address"}: postal,
		{spaceGML, "Point"}: point, {spaceGML, "CircleByCenterPoint"}: circle, {spaceGML, "Polygon"}: polygon, {spaceGML, "Envelope"}: envelope,
		{spaceGML, "LineString"}: lines, {spaceGML, "LinearRing"}: ring, {spaceGML, "exterior"}: exterior,
		{spaceGML, "pos"}: position, {spaceGML, "posList"}: positions, {spaceGML, "measure"}: measure,
	}
}

// known judges what the schema of 2.0 knows of a foreign part.
func known(path string, n *tree.Node) (found []shape.Deviation) {
	if name, ok := strings.CutPrefix(n.Name, tree.AttributeMark); ok {
		name = name[strings.LastIndexByte(name, ':')+1:]
		v := (*shape.Value)(nil)
		switch {
		case n.Space == spaceXLink:
			v = xlinkValues[name]
		case n.Space == spaceXML && name == "lang":
			v = xmlLang
		case n.Space == spaceXML && name == "space":
			v = list("default", "preserve")
		case n.Space == spaceGML && name == "id", n.Space == spaceXML && name == "id":
			v = ncName
		}
		if v == nil {
			return nil
		}
		return shape.CheckNode(n, tree.XML, path, leaf(v))
	}
	if t := global[[2]string{n.Space, n.Name}]; t != nil {
		return shape.CheckNode(n, tree.XML, path, t)
	}
	if n.Leaf() || !slices.ContainsFunc(n.Kids, concerned) {
		return nil
	}
	for p, k := range kids(path, n) {
		found = append(found, known(p, k)...)
	}
	return found
}

// xmlLang is a language or nothing, for which white space is not nothing.
var xmlLang = &shape.Value{Match: func(s string) bool { return s == "" || lang.Match(collapse(s)) }, Rule: "value", Hint: "cs, de-DE"}

// knownSpaces are those of which the schema of 2.0 knows something.
var knownSpaces = []string{Space2, spaceExtension, spaceCommon, spaceGeo, spaceAddress, spaceGML, spaceXLink, spaceXML}

// concerned reports whether a node or one below it is in a known namespace.
func concerned(n *tree.Node) bool {
	return slices.Contains(knownSpaces, n.Space) || slices.ContainsFunc(n.Kids, concerned)
}

// The tables of 1.0 (spec: EDXL-DE 1.0, OASIS, 2006, app. A). All from memory:
// neither the order nor the optionality of the rows was compared with the XSD.
var (
	valueList1 = seq(need("valueListUrn", texts), free("value", texts))
	address1   = seq(need("explicitAddressScheme", texts), free("explicitAddressValue", texts))
	targetArea = seq(free("circle", texts), free("polygon", texts), free("country", texts), free("subdivision", texts), free("locCodeUN", texts))

	// contentObject1 may end with a signature of another namespace.
	contentObject1 = &shape.Type{Open: true, Members: []shape.Member{
		may("contentDescription", texts), free("contentKeyword", valueList1), may("incidentID", texts), may("incidentDescription", texts),
		free("originatorRole", valueList1), free("consumerRole", valueList1), may("confidentiality", texts),
		of(1, need("xmlContent", seq(free("keyXMLContent", foreign1), free("embeddedXMLContent", foreign1)))),
		of(1, need("nonXMLContent", seq(need("mimeType", texts), may("size", leaf(number)), may("digest", texts), may("uri", uris), may("contentData", leaf(base64Data))))),
	}, More: strangers}

	root1 = seq(need("distributionID", texts), need("senderID", texts), need("dateTimeSent", leaf(dateTime1)),
		need("distributionStatus", leaf(list("Actual", "Exercise", "System", "Test"))),
		need("distributionType", leaf(list("Report", "Update", "Cancel", "Request", "Response", "Dispatch", "Ack", "Error",
			"SensorConfiguration", "SensorControl", "SensorStatus", "SensorDetection"))),
		need("combinedConfidentiality", texts), may("language", texts),
		free("senderRole", valueList1), free("recipientRole", valueList1), free("keyword", valueList1), free("distributionReference", texts),
		free("explicitAddress", address1), free("targetArea", targetArea), free("contentObject", contentObject1))
)

// strangers refuses children of 1.0's own namespace, and of none, that an open
// element does not know.
func strangers(path string, n *tree.Node) (found []shape.Deviation) {
	for p, k := range kids(path, n) {
		if k.Space == "" || k.Space == Space1 && !slices.Contains(contentObject1Names, k.Name) {
			found = append(found, shape.Breach(k, p, "unknown", ""))
		}
	}
	return found
}

// contentObject1Names are its own members, apart from the table that names strangers.
var contentObject1Names = []string{"contentDescription", "contentKeyword", "incidentID", "incidentDescription", "originatorRole", "consumerRole", "confidentiality", "xmlContent", "nonXMLContent"}

// rootJSON is the JSON profile of 2.0 (spec: EDXL-DE-envelope-only.schema.json of the
// French hub). Of its root the schema does not say that it is an object; here it is.
var rootJSON = seq(need("senderID", texts), need("distributionID", texts), need("dateTimeSent", leaf(dateTimeJ)), need("dateTimeExpires", leaf(dateTimeJ)),
	need("distributionStatus", leaf(list("Actual", "Exercise"))), need("distributionKind", leaf(list("Report", "Update", "Cancel", "Ack", "Error"))),
	need("descriptor", seq(need("explicitAddress", seq(need("explicitAddressScheme", texts), need("explicitAddressValue", texts))), need("language", texts))),
	some("content", seq(need("jsonContent", seq(need("embeddedJsonContent", &shape.Type{Open: true}))))))
