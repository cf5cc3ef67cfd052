//! The picture as SVG: one file that needs nothing else, readable in light and in dark.

use std::fmt::Write as _;

use super::axes::Picture;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 360.0;
/// Left, top, right, bottom of the picture itself.
const BOX: [f64; 4] = [70.0, 40.0, WIDTH - 20.0, HEIGHT - 40.0];

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#444}.t{font-size:15px;font-weight:600}.g{stroke:#8884;stroke-width:1}\
.b{fill:#1f77b4;fill-opacity:.22}.l{fill:none;stroke:#1f77b4;stroke-width:1.6;stroke-linejoin:round}.d{fill:#1f77b4}\
@media(prefers-color-scheme:dark){text{fill:#ccc}.b{fill:#6db3e8}.l{stroke:#6db3e8}.d{fill:#6db3e8}}";

impl Picture {
    /// The whole document.
    pub(in crate::cli) fn svg(&self) -> String {
        let [left, top, right, bottom] = BOX;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{0}</title>\n\
             <style>{STYLE}</style>\n<text class=\"t\" x=\"{left}\" y=\"24\">{0}</text>\n",
            escaped(&self.title)
        );
        // Writing to a string cannot fail.
        let mut put = |line: String| writeln!(svg, "{line}").ok();
        put(format!("<text x=\"{right}\" y=\"24\" text-anchor=\"end\">{}</text>", escaped(&self.unit)));
        for tick in self.numbers(5) {
            let y = bottom - tick.share * (bottom - top);
            put(format!("<line class=\"g\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
            put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", left - 8.0, y + 4.0, tick.label));
        }
        for tick in self.times(7) {
            let x = left + tick.share * (right - left);
            put(format!("<line class=\"g\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>", bottom + 5.0));
            put(format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", bottom + 20.0, tick.label));
        }
        put(format!("<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">UTC</text>", HEIGHT - 4.0));
        for stretch in self.stretches() {
            self.stretch(stretch, &mut put);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn stretch(&self, stretch: &[(i64, [f64; 3])], put: &mut impl FnMut(String) -> Option<()>) {
        let [left, top, right, bottom] = BOX;
        let (low, high) = self.range();
        let x = |at: i64| left + self.share_of_time(at).clamp(0.0, 1.0) * (right - left);
        let y = |value: f64| bottom - (value - low) / (high - low) * (bottom - top);
        let place = |at: i64, value: f64| format!("{:.1},{:.1}", x(at), y(value));
        if let [(at, [_, mean, _])] = stretch {
            put(format!("<circle class=\"d\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.6\"/>", x(*at), y(*mean)));
            return;
        }
        let over = stretch.iter().map(|(at, [.., most])| place(*at, *most));
        let under = stretch.iter().rev().map(|(at, [least, ..])| place(*at, *least));
        let band: Vec<String> = over.chain(under).collect();
        put(format!("<polygon class=\"b\" points=\"{}\"/>", band.join(" ")));
        let line: Vec<String> = stretch.iter().map(|(at, [_, mean, _])| place(*at, *mean)).collect();
        put(format!("<polyline class=\"l\" points=\"{}\"/>", line.join(" ")));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::axes::tests::wave;
    use super::*;

    #[test]
    fn the_file_has_a_band_and_a_line_for_each_stretch_and_nothing_outside_its_box() {
        let svg = Picture { title: "a <b> & \"c\"".into(), ..wave() }.svg();
        assert_eq!((svg.matches("<polygon").count(), svg.matches("<polyline").count()), (2, 2));
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;") && svg.contains(">/min<") && svg.contains(">01:00<"));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count(), "tags are closed");
        let points = svg.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for point in points.flat_map(|list| list.split(' ')) {
            let (x, y) = point.split_once(',').expect("x,y");
            let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
            assert!((BOX[0]..=BOX[2]).contains(&x) && (BOX[1]..=BOX[3]).contains(&y), "{point}");
        }
    }
}
