"""schema.py - HTML of the JSON Schemas of api.yaml: what type, which bounds, which fields. A schema of
`components` is a link to its own section, so that no section holds another."""
import html
import json

from markup import blocks

BOUNDS = (('minimum', 'at least {}'), ('exclusiveMinimum', 'more than {}'), ('maximum', 'at most {}'),
          ('exclusiveMaximum', 'less than {}'), ('maxLength', 'at most {} characters'), ('maxItems', 'at most {} items'))


def code(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f'<code>{html.escape(text)}</code>'


def name_of(node):
    return node['$ref'].split('/')[-1] if '$ref' in node else None


def merged(c, node):
    """A schema with what it refers to; what stands beside the reference goes first."""
    if '$ref' not in node:
        return node
    return {**c.resolve({'$ref': node['$ref']}), **{k: v for k, v in node.items() if k != '$ref'}}


def kind(c, node):
    """Its type in words, as HTML: "array of Id", "string (date-time)"; empty for what may be anything."""
    name = name_of(node)
    if name:
        return f'<a href="#schema-{name}">{name}</a>'
    if 'const' in node:
        return f'always {code(node["const"])}'
    if 'enum' in node:
        return ' or '.join(code(v) for v in node['enum']) if len(node['enum']) < 13 else 'one of the words below'
    if 'oneOf' in node:
        return ' or '.join(dict.fromkeys(kind(c, n) or 'any' for n in node['oneOf']))
    what = node.get('type')
    if isinstance(what, list):
        return ' or '.join(what)
    if what == 'array':
        return 'array' if 'items' not in node else f'array of {kind(c, node["items"]) or "anything"}'
    if what == 'object' and isinstance(node.get('additionalProperties'), dict):
        return f'object of {kind(c, node["additionalProperties"])}'
    if what and 'format' in node:
        return f'{what} ({node["format"]})'
    return what or ''


def bounds(node):
    """What is allowed, in words."""
    out = []
    low, high = node.get('minimum'), node.get('maximum')
    if low is not None and high is not None:
        out.append(f'from {low} to {high}')
        node = {k: v for k, v in node.items() if k not in ('minimum', 'maximum')}
    for least, most, unit in (('minLength', 'maxLength', 'characters'), ('minItems', 'maxItems', 'items')):
        if least in node and most in node:
            out.append(f'{node[least]} to {node[most]} {unit}')
            node = {k: v for k, v in node.items() if k not in (least, most)}
        elif least in node:
            out.append(f'at least {node[least]} {unit}')
    out += [text.format(node[key]) for key, text in BOUNDS if key in node]
    out = [html.escape(text) for text in out]
    if 'pattern' in node:
        out.append(f'pattern {code(node["pattern"])}')
    if 'default' in node:
        out.append(f'default {code(node["default"])}')
    out += [f'for example {code(e)}' for e in node.get('examples', [])]
    return ', '.join(out)


def field(c, name, node, shown, required=False, place=None):
    """A row: its name and type, what it means, what is allowed. `shown`: the node whose type is told."""
    words = [kind(c, shown)]
    if place:
        words.append(place)
    if required:
        words.append('<strong>required</strong>')
    limits = bounds(node)
    inner = ''
    if '$ref' not in shown:
        inner = fields(c, shown, False)
    about = blocks(node['description']) if node.get('description') else ''
    return (f'<dt><code>{html.escape(name)}</code> <span class="dim small">{", ".join(w for w in words if w)}</span></dt>'
            f'<dd>{about}{f"""<p class="small bounds">{limits}</p>""" if limits else ""}{inner}</dd>')


def fields(c, node, whole):
    """The fields of an object, of an array's objects, of each of several shapes. `whole`: also of one that
    `components` has a section for."""
    if '$ref' in node and not whole:
        return ''
    node = merged(c, node)
    if 'oneOf' in node:
        shapes = [fields(c, n, False) for n in node['oneOf']]
        return '<p class="dim small">or</p>'.join(s for s in shapes if s)
    if node.get('type') == 'array' and 'items' in node:
        return fields(c, node['items'], False)
    if not node.get('properties'):
        return ''
    must = node.get('required', [])
    rows = (field(c, name, merged(c, n), n, required=name in must) for name, n in node['properties'].items())
    return f'<dl class="fields">{"".join(rows)}</dl>'


def section(c, name, node):
    words = kind(c, node)
    about = blocks(node['description']) if node.get('description') else ''
    limits = bounds(node)
    listed = ''
    if len(node.get('enum', [])) > 12:
        listed = f'<p>{", ".join(code(v) for v in node["enum"])}</p>'
    forbidden = node.get('not', {}).get('required')
    if forbidden:
        limits = ', '.join(filter(None, [limits, 'not together: ' + ', '.join(code(f) for f in forbidden)]))
    return (f'<section class="card op" id="schema-{name}" aria-labelledby="schema-{name}-h"><h3 id="schema-{name}-h">'
            f'<a class="self" href="#schema-{name}">{name}</a> <small class="dim">{words}</small></h3>'
            f'{about}{f"""<p class="small bounds">{limits}</p>""" if limits else ""}{listed}{fields(c, node, False)}</section>\n')
