// What do Go packages export? For each folder named on the command line one object: the package's name and, by exported name, its kind and its
// exported fields and methods, in order. Sources are parsed, not compiled: nothing has to be downloaded but the modules themselves.
package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"sort"
	"strings"
)

type export struct {
	Kind    string   `json:"kind"`
	Members []string `json:"members"`
}

func main() {
	packages := map[string]map[string]*export{}
	for _, folder := range os.Args[1:] {
		parsed, err := parser.ParseDir(token.NewFileSet(), folder, isSource, 0)
		if err != nil {
			log.Fatal(err)
		}
		for name, pkg := range parsed {
			packages[name] = exportsOf(pkg)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(packages); err != nil {
		log.Fatal(err)
	}
}

func isSource(file fs.FileInfo) bool {
	return !strings.HasSuffix(file.Name(), "_test.go") && !strings.HasSuffix(file.Name(), "_windows.go")
}

func exportsOf(pkg *ast.Package) map[string]*export {
	found := map[string]*export{}
	var methods []*ast.FuncDecl
	for _, file := range pkg.Files {
		for _, declaration := range file.Decls {
			switch one := declaration.(type) {
			case *ast.GenDecl:
				addGeneral(found, one)
			case *ast.FuncDecl:
				if one.Recv != nil {
					methods = append(methods, one)
				} else if one.Name.IsExported() {
					found[one.Name.Name] = &export{Kind: "func", Members: []string{}}
				}
			}
		}
	}
	for _, method := range methods {
		owner := found[typeName(method.Recv.List[0].Type)]
		if owner != nil && method.Name.IsExported() {
			owner.Members = append(owner.Members, method.Name.Name)
		}
	}
	for _, one := range found {
		sort.Strings(one.Members)
	}
	return found
}

func addGeneral(found map[string]*export, declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		switch one := spec.(type) {
		case *ast.TypeSpec:
			if one.Name.IsExported() {
				kind, members := shapeOf(one.Type)
				found[one.Name.Name] = &export{Kind: kind, Members: members}
			}
		case *ast.ValueSpec:
			for _, name := range one.Names {
				if name.IsExported() {
					found[name.Name] = &export{Kind: declaration.Tok.String(), Members: []string{}}
				}
			}
		}
	}
}

func shapeOf(expression ast.Expr) (string, []string) {
	switch one := expression.(type) {
	case *ast.StructType:
		return "struct", membersOf(one.Fields)
	case *ast.InterfaceType:
		return "interface", membersOf(one.Methods)
	case *ast.FuncType:
		return "func type", []string{}
	}
	return "type", []string{}
}

func membersOf(fields *ast.FieldList) []string {
	members := []string{}
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			if name := typeName(field.Type); ast.IsExported(name) {
				members = append(members, name)
			}
		}
		for _, name := range field.Names {
			if name.IsExported() {
				members = append(members, name.Name)
			}
		}
	}
	return members
}

func typeName(expression ast.Expr) string {
	switch one := expression.(type) {
	case *ast.StarExpr:
		return typeName(one.X)
	case *ast.Ident:
		return one.Name
	case *ast.SelectorExpr:
		return one.Sel.Name
	}
	return ""
}
