/** What the examples search: descriptions of films, pictures and pages of a small museum of science. */
import { words } from '@cogniverse/example-document-search/tokens';

export type ContentType = 'video' | 'image' | 'text';

export interface Item {
  readonly id: string;
  /** The film that a scene is part of; an item of its own is its own film. */
  readonly videoId: string;
  readonly contentType: ContentType;
  readonly text: string;
  readonly words: readonly string[];
}

const DESCRIPTIONS: readonly [id: string, contentType: ContentType, text: string][] = [
  ['curie-1', 'video', 'Marie Curie in her laboratory in Paris stirs a kettle of pitchblende, the ore of uranium.'],
  [
    'curie-2',
    'video',
    'Marie Curie explains radioactivity: the atoms of radium decay by themselves and give off rays.',
  ],
  ['curie-3', 'video', 'A car with X-ray apparatus, built by Marie Curie, drives to a field hospital in the war.'],
  ['meitner-1', 'video', 'Lise Meitner walks in the snow and finds the explanation of nuclear fission.'],
  ['meitner-2', 'video', 'An animation of a uranium nucleus that takes a neutron and splits in two.'],
  ['volta-1', 'video', 'Alessandro Volta stacks discs of zinc and copper to the first battery.'],
  ['darwin-1', 'video', 'Charles Darwin collects finches on the Galapagos islands and compares their beaks.'],
  ['lovelace-1', 'video', 'Ada Lovelace writes a program for the analytical engine, a machine that was never built.'],
  ['radium-dial', 'image', 'Photograph: the dial of a clock that glows in the dark with radium paint.'],
  ['cloud-chamber', 'image', 'Photograph: tracks of rays in a cloud chamber, thin white lines on black.'],
  ['pile', 'image', 'Drawing: the battery of Volta, a pile of discs of two metals.'],
  ['finches', 'image', 'Engraving: heads of four finches with beaks of different size.'],
  [
    'nobel-1903',
    'text',
    'The Nobel prize in physics of 1903 went to Henri Becquerel, Pierre Curie and Marie Curie for radioactivity.',
  ],
  [
    'nobel-1911',
    'text',
    'The Nobel prize in chemistry of 1911 went to Marie Curie for the discovery of radium and polonium.',
  ],
  [
    'fission',
    'text',
    'In fission the nucleus of a heavy atom splits; the energy that is set free was worked out by Lise Meitner.',
  ],
  ['evolution', 'text', 'Natural selection: of many different offspring those that fit their surroundings live on.'],
];

export const CATALOGUE: readonly Item[] = DESCRIPTIONS.map(([id, contentType, text]) => ({
  id,
  videoId: contentType === 'video' ? id.replace(/-\d+$/, '') : id,
  contentType,
  text,
  words: words(text),
}));
