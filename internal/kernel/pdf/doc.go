// Package pdf makes records for paper: protocols, forms, notices for a wall, handbooks
// and one-page cards. It is for the modules whose pages can be printed for the file,
// carried in a pocket or hung up.
//
// What it makes is tagged (ISO 32000-1, §14.8): a program that reads aloud finds
// headings, lists, tables with their header cells, languages and the order of the text;
// all else is marked as an artifact. It lays out blocks one below the other, on A4 or
// A6, and draws nothing else but boxes, squares to tick, QR codes, signs of straight
// lines and lines to write on. The same input gives the same bytes.
//
// A document in which everything that [Check] looks at is in order says that it keeps to
// PDF/UA-1 (ISO 14289-1); nobody has certified that. The package signs nothing,
// hyphenates nothing and knows one family of fonts, complete for cs, de, pl and en.
package pdf
