// What axe does not judge of a page, by the success criteria of WCAG 2.2. Each check returns what is wrong and where.
(() => {
  const FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const FIELDS = "input:not([type=hidden], [type=checkbox]), select, textarea, .point";
  const SPACED = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
    + " p { margin-bottom: 2em !important }";
  const TARGET_PX = 24;

  const isHeardOnly = (node) => node !== null && (getComputedStyle(node).clipPath === "inset(50%)" || isHeardOnly(node.parentElement));
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) && !isHeardOnly(node);
  const place = (node) => `${node.localName}.${node.className?.baseVal ?? node.className} "${node.textContent.trim().slice(0, 30)}"`;
  const focusable = () => [...document.querySelectorAll(FOCUSABLE)].filter(isShown);

  const channels = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = ([red, green, blue, alpha], back) => [red, green, blue].map((one, at) => one * alpha + back[at] * (1 - alpha));
  const luminance = (colour) => colour.map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((first, second) => first - second);
    return (high + 0.05) / (low + 0.05);
  };
  function behind(node) {
    if (!node) return [255, 255, 255];
    const own = channels(getComputedStyle(node).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, behind(node.parentElement));
  }
  const opacity = (node) => (node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1);

  function texts() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.data.trim() && isShown(node.parentElement) && !node.parentElement.closest("option, script")) found.push(node);
    }
    return found;
  }

  /** 1.4.3 of all text, also of marks that are only seen and of what stands in empty fields. */
  function textContrast() {
    const judge = (node, style) => {
      const [red, green, blue, alpha] = channels(style.color);
      const back = behind(node);
      const ratio = contrast(over([red, green, blue, alpha * opacity(node)], back), back);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      return ratio < (isLarge ? 3 : 4.5) ? [`${ratio.toFixed(2)}:1 ${place(node)}`] : [];
    };
    return [
      ...texts().flatMap(({ parentElement }) => judge(parentElement, getComputedStyle(parentElement))),
      ...[...document.querySelectorAll("[placeholder]")].filter(isShown).flatMap((node) => judge(node, getComputedStyle(node, "::placeholder"))),
    ];
  }

  /** 1.4.11: the edges of fields, the lines of drawings and what shows the focus. */
  function edgeContrast() {
    const judge = (node, colour, around) => {
      const back = behind(around);
      const ratio = contrast(over(channels(colour), back), back);
      return ratio < 3 ? [`${ratio.toFixed(2)}:1 ${place(node)}`] : [];
    };
    const fields = [...document.querySelectorAll(FIELDS)].filter(isShown);
    return [
      ...fields.flatMap((node) => judge(node, getComputedStyle(node).borderTopColor, node.parentElement)),
      ...[...document.querySelectorAll("polyline")].filter(isShown).flatMap((node) => judge(node, getComputedStyle(node).stroke, node.parentElement)),
      ...focusable().flatMap((node) => {
        node.focus();
        return judge(node, getComputedStyle(node).outlineColor, node.parentElement);
      }),
    ];
  }

  /** 2.4.7 and 2.4.11, forwards and backwards: what has the focus shows it, and is not wholly under something else. */
  function focusSeen() {
    const parts = [0.02, 0.25, 0.5, 0.75, 0.98];
    const isSeen = (node) => [...node.getClientRects()].some((box) => {
      const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
      const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
      return left < right && top < bottom && parts.some((across) => parts.some((down) =>
        node.contains(document.elementFromPoint(left + across * (right - left), top + down * (bottom - top)))));
    });
    const judge = (node) => {
      node.focus();
      const style = getComputedStyle(node);
      return [
        ...(document.activeElement === node ? [] : [`takes no focus: ${place(node)}`]),
        ...(node.tabIndex === 0 ? [] : [`not in the order of tabs: ${place(node)}`]),
        ...(style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 ? [] : [`focus not visible: ${place(node)}`]),
        ...(isSeen(node) ? [] : [`focus obscured: ${place(node)}`]),
      ];
    };
    const all = focusable();
    return [...all.flatMap(judge), ...all.toReversed().flatMap(judge)];
  }

  /** 2.5.8: a target is large enough, or far enough from others, or stands in a sentence. */
  function targetSize() {
    const targets = focusable().filter((node) => !node.matches(".scroll")).map((node) => ({ node, box: node.getBoundingClientRect() }));
    const isSmall = ({ box }) => box.width < TARGET_PX - 0.1 || box.height < TARGET_PX - 0.1;
    const inSentence = ({ node }) => getComputedStyle(node).display === "inline"
      && [...node.parentElement.childNodes].some((each) => each.nodeType === Node.TEXT_NODE && each.data.trim());
    const middle = ({ box }) => [box.left + box.width / 2, box.top + box.height / 2];
    const isNear = (one, other) => {
      const [x, y] = middle(one);
      const { box } = other;
      const apart = Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
      const [otherX, otherY] = middle(other);
      return apart < TARGET_PX / 2 || (isSmall(other) && Math.hypot(otherX - x, otherY - y) < TARGET_PX);
    };
    return targets.filter((one) => isSmall(one) && !inSentence(one) && targets.some((other) => other !== one && isNear(one, other)))
      .map(({ node, box }) => `${box.width.toFixed()} x ${box.height.toFixed()} ${place(node)}`);
  }

  /** 1.4.12: with the spacing that a reader may set, no text is cut off, leaves its place or makes the page wider. */
  function textSpacing() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(SPACED);
    document.adoptedStyleSheets = [sheet];
    const cut = texts().flatMap((text) => {
      const range = document.createRange();
      range.selectNodeContents(text);
      const boxes = [...range.getClientRects()];
      for (let node = text.parentElement; node && node !== document.body; node = node.parentElement) {
        const { overflowX, overflowY, display, position } = getComputedStyle(node);
        if ([overflowX, overflowY].some((each) => ["auto", "scroll"].includes(each))) return [];
        if (display === "inline" || display === "contents") continue;
        const frame = node.getBoundingClientRect();
        if (boxes.some((box) => box.right > frame.right + 1.5 || box.bottom > frame.bottom + 1.5)) return [`leaves its place: ${place(node)}`];
        if (position === "sticky") return [];
      }
      return [];
    });
    const wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    document.adoptedStyleSheets = [];
    return [...new Set(cut), ...(wider > 0 ? [`${wider} px wider than the screen`] : [])];
  }

  return { textContrast, edgeContrast, focusSeen, targetSize, textSpacing };
})()
