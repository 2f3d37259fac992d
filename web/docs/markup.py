"""markup.py - HTML of the little Markdown that descriptions use: paragraphs, lists, fenced code, `code`,
**bold**, [links](to). All text is escaped first: HTML in it stays text."""
import html
import re


def tag(name, text, **attributes):
    """An element whose text and attributes are escaped; an attribute that is None is left out."""
    given = ''.join(f' {k.replace("_", "-")}="{html.escape(v)}"' for k, v in attributes.items() if v is not None)
    return f'<{name}{given}>{html.escape(text)}</{name}>'


def _word(text):
    text = re.sub(r'\*\*(.+?)\*\*', r'<strong>\1</strong>', html.escape(text))
    return re.sub(r'\[([^\]]+)\]\(((?:https?://|/|#)[^\s)]*)\)', r'<a href="\2">\1</a>', text)


def _code(text, errors):
    # the code of an error is a word of small letters and lines below
    if errors and re.fullmatch(r'[a-z]+(_[a-z]+)*', text) and text != 'chunked':
        return f'<a href="/docs/errors#{text}"><code>{text}</code></a>'
    return f'<code>{html.escape(text)}</code>'


def line(text, errors=False):
    """One run of text. `errors`: what stands as code names errors, and is a link to them."""
    parts = re.split(r'`([^`]+)`', text.strip())
    return ''.join(_code(p, errors) if i % 2 else _word(p) for i, p in enumerate(parts))


def blocks(text, errors=False):
    out = []
    for block in re.split(r'\n\s*\n', text.strip()):
        rows = block.splitlines()
        if rows[0].startswith('```'):
            out.append(f'<pre>{html.escape(chr(10).join(r for r in rows if not r.startswith("```")))}</pre>')
        elif all(re.match(r'[-*] |  ', r) for r in rows) and rows[0][:2] in ('- ', '* '):
            items = re.split(r'\n[-*] ', '\n' + block)[1:]
            out.append('<ul>' + ''.join(f'<li>{line(" ".join(i.split()), errors)}</li>' for i in items) + '</ul>')
        else:
            out.append(f'<p>{line(block, errors)}</p>')
    return ''.join(out)
