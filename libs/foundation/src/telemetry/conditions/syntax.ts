/** The syntax of a condition, before its names mean anything.   Read path: parser -> [syntax] -> resolver. */

/** From `start` to before `end` in the text. */
interface Place {
  readonly start: number;
  readonly end: number;
}

export type ComparisonSign = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'is' | 'is not' | 'in' | 'not in';
export type ArithmeticSign = '+' | '-' | '*' | '/' | '%';

export type Syntax = Place &
  (
    | { readonly kind: 'constant'; readonly value: string | number | boolean | null }
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'member'; readonly object: Syntax; readonly name: string }
    | { readonly kind: 'subscript'; readonly object: Syntax; readonly key: Syntax }
    | { readonly kind: 'list'; readonly items: readonly Syntax[] }
    | { readonly kind: 'not'; readonly operand: Syntax }
    | { readonly kind: 'negative' | 'positive'; readonly operand: Syntax }
    | { readonly kind: 'and' | 'or'; readonly operands: readonly Syntax[] }
    | { readonly kind: 'arithmetic'; readonly sign: ArithmeticSign; readonly left: Syntax; readonly right: Syntax }
    | {
        readonly kind: 'comparison';
        readonly first: Syntax;
        readonly rest: readonly { readonly sign: ComparisonSign; readonly operand: Syntax }[];
      }
    | { readonly kind: 'call'; readonly name: string; readonly argument: Syntax | Comprehension }
  );

/** `element for variable in iterable if conditions`; `list` where it stands in brackets. */
export type Comprehension = Place & {
  readonly kind: 'comprehension';
  readonly element: Syntax;
  readonly variable: string;
  readonly iterable: Syntax;
  readonly conditions: readonly Syntax[];
  readonly list: boolean;
};
