(* Differentiability of transformers in their parameters, so that the one-step theorem holds for them with no
   hypothesis left on the network.

   A transformer is made of sums, products, exponentials, quotients by sums of exponentials, quotients by
   square roots of positive numbers, and an activation.  No denominator that depends on the parameters
   vanishes: a softmax divides by a positive sum, and LayerNorm by sqrt (variance + eps) with eps > 0; the
   divisor of the scores is any constant (0 only makes the scores constant).  Hence each of its outputs is
   (Frechet) differentiable in all parameters at every parameter vector th0, provided the activation has a
   derivative everywhere (tanh, GELU, SiLU, ...).

   A sequence is a family x of vectors, x t being token number t.  All parameters are in one vector th; each
   part reads its own from an offset.  In an attention layer position t sees the positions s < vis t: the
   causal mask is vis t = t + 1 (`vis = S`), no mask is vis t = T.  Blocks are residual with LayerNorm before
   each half (attention of any number of heads, then a two-layer perceptron); a decoder is a learned embedding
   of tokens and positions, any number of blocks, a last LayerNorm and a last linear layer of logits; the
   weights of the embedding and of the last layer are separate parameters (they are not tied). *)
From Coq Require Import Reals Lra Lia Arith List.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Perceptron Networks.
Import ListNotations.
Open Scope R_scope.

Definition seq := nat -> vec.

(* --- the parts --- *)
(* one head: queries, keys and values of dk coordinates are affine in the tokens of d coordinates;
   scores are dot products divided by the constant c (usually sqrt dk) *)
Definition head_params (d dk : nat) : nat := (3 * (dk * d + dk))%nat.
Definition query (d dk off : nat) (th : vec) (x : seq) : seq := fun t => affine d dk off th (x t).
Definition key (d dk off : nat) (th : vec) (x : seq) : seq :=
  fun t => affine d dk (off + (dk * d + dk))%nat th (x t).
Definition value (d dk off : nat) (th : vec) (x : seq) : seq :=
  fun t => affine d dk (off + 2 * (dk * d + dk))%nat th (x t).
Definition score (c : R) (d dk off : nat) (th : vec) (x : seq) (t s : nat) : R :=
  dot dk (query d dk off th x t) (key d dk off th x s) / c.
Definition attention (vis : nat -> nat) (c : R) (d dk off : nat) (th : vec) (x : seq) : seq := fun t i =>
  rsum (vis t) (fun s => softmax (vis t) (score c d dk off th x t) s * value d dk off th x s i).

(* nh heads side by side, then a linear layer on their nh * dk coordinates *)
Definition multihead_params (nh d dk : nat) : nat := (nh * head_params d dk + (d * (nh * dk) + d))%nat.
Definition multihead (vis : nat -> nat) (c : R) (nh d dk off : nat) (th : vec) (x : seq) : seq := fun t =>
  affine (nh * dk) d (off + nh * head_params d dk)%nat th
    (fun j => attention vis c d dk (off + (j / dk) * head_params d dk)%nat th x t (j mod dk)%nat).

(* gains in the first d parameters, shifts in the next d *)
Definition average (d : nat) (x : vec) : R := rsum d x / INR d.
Definition spread (d : nat) (x : vec) : R :=
  rsum d (fun j => (x j - average d x) * (x j - average d x)) / INR d.
Definition layer_norm (d : nat) (eps : R) (off : nat) (th x : vec) : vec := fun i =>
  th (off + i)%nat * ((x i - average d x) / sqrt (spread d x + eps)) + th (off + d + i)%nat.

(* --- the whole decoder --- *)
Record shape := {
  vocabulary : nat; context : nat; width : nat; heads : nat; head_width : nat; hidden : nat; blocks : nat;
  visible : nat -> nat; divisor : R; ln_eps : R; activation : R -> R }.

Section Decoder.
Variable c : shape.
Let d := width c.

Definition block_params : nat :=
  (2 * d + multihead_params (heads c) d (head_width c) + 2 * d + nparams d [hidden c; d])%nat.
Definition block_attention (off : nat) (th : vec) (x : seq) : seq := fun t i => x t i +
  multihead (visible c) (divisor c) (heads c) d (head_width c) (off + 2 * d)%nat th
    (fun s => layer_norm d (ln_eps c) off th (x s)) t i.
Definition block_mlp (off : nat) (th : vec) (x : seq) : seq := fun t i => x t i +
  mlp (activation c) d [hidden c; d] (off + 2 * d)%nat th (layer_norm d (ln_eps c) off th (x t)) i.
Definition transformer_block (off : nat) (th : vec) (x : seq) : seq :=
  block_mlp (off + 2 * d + multihead_params (heads c) d (head_width c))%nat th (block_attention off th x).
Fixpoint stack (b off : nat) (th : vec) (x : seq) : seq :=
  match b with O => x | S b' => stack b' (off + block_params)%nat th (transformer_block off th x) end.

(* token t is number tok t of the vocabulary: its embedding plus that of position t *)
Definition embedding (th : vec) (tok : nat -> nat) : seq := fun t i =>
  th (tok t * d + i)%nat + th (vocabulary c * d + t * d + i)%nat.
Definition embedding_params : nat := (vocabulary c * d + context c * d)%nat.
Definition decoder_params : nat :=
  (embedding_params + blocks c * block_params + 2 * d + (vocabulary c * d + vocabulary c))%nat.
(* logits over the vocabulary at each position *)
Definition decoder (th : vec) (tok : nat -> nat) : seq := fun t =>
  let off := (embedding_params + blocks c * block_params)%nat in
  affine d (vocabulary c) (off + 2 * d)%nat th
    (layer_norm d (ln_eps c) off th (stack (blocks c) embedding_params th (embedding th tok) t)).
End Decoder.

(* --- differentiability --- *)
(* T tokens of d coordinates, every one of them a function of the parameters, differentiable at th0 *)
Definition diff_seq (k : nat) (th0 : vec) (T d : nat) (X : vec -> seq) : Prop :=
  forall t i, (t < T)%nat -> (i < d)%nat -> differentiable k (fun th => X th t i) th0.

(* softmax of differentiable scores *)
Lemma diff_softmax k th0 n (z : nat -> vec -> R) i : (i < n)%nat ->
  (forall j, (j < n)%nat -> differentiable k (z j) th0) ->
  differentiable k (fun th => softmax n (fun j => z j th) i) th0.
Proof.
  intros Hi Hz; unfold softmax.
  apply (diff_div (fun th => exp (z i th)) (fun th => sumexp n (fun j => z j th))).
  - apply (diff_comp1 exp); [auto_derive; trivial | now apply Hz].
  - now apply (diff_sumexp k n th0 z).
  - apply Rgt_not_eq, sumexp_pos; lia.
Qed.

(* LayerNorm of a token that depends on the parameters; d = 0 has no coordinate i. *)
Lemma layer_norm_differentiable k th0 d eps off (X : vec -> vec) i :
  0 < eps -> (off + 2 * d <= k)%nat -> (i < d)%nat ->
  (forall j, (j < d)%nat -> differentiable k (fun th => X th j) th0) ->
  differentiable k (fun th => layer_norm d eps off th (X th) i) th0.
Proof.
  intros Heps Hk Hi HX.
  assert (Hm : differentiable k (fun th => average d (X th)) th0).
  { unfold average; apply (diff_div_const (fun th => rsum d (X th))).
    now apply (diff_sum d (fun j th => X th j)). }
  assert (Hc : forall j, (j < d)%nat -> differentiable k (fun th => X th j - average d (X th)) th0).
  { intros j Hj; apply diff_minus; [now apply HX | exact Hm]. }
  assert (Hv : differentiable k (fun th => spread d (X th) + eps) th0).
  { apply (diff_plus (fun th => spread d (X th)) (fun _ => eps)); [unfold spread | apply diff_const].
    apply (diff_div_const
      (fun th => rsum d (fun j => (X th j - average d (X th)) * (X th j - average d (X th))))).
    apply (diff_sum d (fun j th => (X th j - average d (X th)) * (X th j - average d (X th)))).
    intros j Hj; apply diff_mult; now apply Hc. }
  assert (Hd : 0 < INR d) by (apply lt_0_INR; lia).
  assert (Hp : 0 < spread d (X th0) + eps).
  { apply Rplus_le_lt_0_compat; [unfold spread | exact Heps].
    apply Rmult_le_pos; [| now apply Rlt_le, Rinv_0_lt_compat].
    apply rsum_nonneg; intros j _; apply Rle_0_sqr. }
  unfold layer_norm.
  apply diff_plus; [apply diff_mult |]; [apply diff_coord; lia | | apply diff_coord; lia].
  apply (diff_div (fun th => X th i - average d (X th)) (fun th => sqrt (spread d (X th) + eps))).
  - now apply Hc.
  - apply (diff_comp1 sqrt (fun th => spread d (X th) + eps)); [auto_derive; exact Hp | exact Hv].
  - now apply Rgt_not_eq, sqrt_lt_R0.
Qed.

(* One softmax self-attention head is differentiable, with any mask that looks at no more than T positions. *)
Theorem attention_differentiable k th0 T vis c d dk off (X : vec -> seq) :
  (off + head_params d dk <= k)%nat -> (forall t, (t < T)%nat -> (vis t <= T)%nat) ->
  diff_seq k th0 T d X -> diff_seq k th0 T dk (fun th => attention vis c d dk off th (X th)).
Proof.
  intros Hk Hvis HX t i Ht Hi; unfold head_params in Hk.
  assert (Hs : forall s, (s < vis t)%nat -> (s < T)%nat) by (intros s Hs; specialize (Hvis t Ht); lia).
  unfold attention.
  apply (diff_sum (vis t) (fun s th => softmax (vis t) (score c d dk off th (X th) t) s *
    value d dk off th (X th) s i)).
  intros s Hst; apply diff_mult.
  - apply (diff_softmax k th0 (vis t) (fun r th => score c d dk off th (X th) t r) s Hst).
    intros r Hr; unfold score.
    apply (diff_div_const (fun th => dot dk (query d dk off th (X th) t) (key d dk off th (X th) r))).
    unfold dot; apply (diff_sum dk (fun j th => query d dk off th (X th) t j * key d dk off th (X th) r j)).
    intros j Hj; apply diff_mult; unfold query, key.
    + apply (diff_affine d dk off (fun th => X th t) j); [lia | exact Hj | intros l Hl; now apply HX].
    + apply (diff_affine d dk _ (fun th => X th r) j);
        [lia | exact Hj | intros l Hl; apply HX; [now apply Hs | exact Hl]].
  - unfold value; apply (diff_affine d dk _ (fun th => X th s) i);
      [lia | exact Hi | intros l Hl; apply HX; [now apply Hs | exact Hl]].
Qed.

(* Several heads and the linear layer that mixes them. *)
Lemma multihead_differentiable k th0 T vis c nh d dk off (X : vec -> seq) :
  (off + multihead_params nh d dk <= k)%nat -> (forall t, (t < T)%nat -> (vis t <= T)%nat) ->
  diff_seq k th0 T d X -> diff_seq k th0 T d (fun th => multihead vis c nh d dk off th (X th)).
Proof.
  intros Hk Hvis HX t i Ht Hi; unfold multihead_params in Hk; unfold multihead.
  apply (diff_affine (nh * dk) d _ (fun th j =>
    attention vis c d dk (off + (j / dk) * head_params d dk)%nat th (X th) t (j mod dk)%nat) i);
    [lia | exact Hi |].
  intros j Hj.
  assert (Hdk : dk <> 0%nat) by (intros E; rewrite E, Nat.mul_0_r in Hj; lia).
  assert (Hh : (j / dk < nh)%nat) by (apply Nat.div_lt_upper_bound; lia).
  apply (attention_differentiable k th0 T vis c d dk (off + (j / dk) * head_params d dk)%nat X).
  - nia.
  - exact Hvis.
  - exact HX.
  - exact Ht.
  - now apply Nat.mod_upper_bound.
Qed.

Lemma diff_seq_layer_norm k th0 T d eps off (X : vec -> seq) : 0 < eps -> (off + 2 * d <= k)%nat ->
  diff_seq k th0 T d X -> diff_seq k th0 T d (fun th s => layer_norm d eps off th (X th s)).
Proof.
  intros Heps Hk HX t i Ht Hi.
  apply (layer_norm_differentiable k th0 d eps off (fun th => X th t) i Heps Hk Hi).
  intros j Hj; now apply HX.
Qed.

(* A block (residual attention, then a residual two-layer perceptron, LayerNorm before each) is
   differentiable. *)
Theorem transformer_block_differentiable k th0 (c : shape) off (X : vec -> seq) :
  (forall z, ex_derive (activation c) z) -> 0 < ln_eps c ->
  (forall t, (t < context c)%nat -> (visible c t <= context c)%nat) ->
  (off + block_params c <= k)%nat -> diff_seq k th0 (context c) (width c) X ->
  diff_seq k th0 (context c) (width c) (fun th => transformer_block c off th (X th)).
Proof.
  unfold block_params; intros Hact Heps Hvis Hk HX.
  assert (Ha : diff_seq k th0 (context c) (width c) (fun th => block_attention c off th (X th))).
  { intros t i Ht Hi; unfold block_attention; apply diff_plus; [now apply HX |].
    apply (multihead_differentiable k th0 (context c) (visible c) (divisor c) (heads c) (width c)
      (head_width c) (off + 2 * width c) (fun th s => layer_norm (width c) (ln_eps c) off th (X th s)));
      [lia | exact Hvis | | exact Ht | exact Hi].
    apply diff_seq_layer_norm; [exact Heps | lia | exact HX]. }
  intros t i Ht Hi; unfold transformer_block, block_mlp; apply diff_plus; [now apply Ha |].
  apply (mlp_diff_gen k (activation c) th0 [hidden c; width c] (width c) _
    (fun th => layer_norm (width c) (ln_eps c) (off + 2 * width c +
       multihead_params (heads c) (width c) (head_width c)) th (block_attention c off th (X th) t)) i).
  - lia.
  - exact Hi.
  - now apply derivable_at_all.
  - intros j Hj.
    apply (diff_seq_layer_norm k th0 (context c) (width c) (ln_eps c) _
      (fun th => block_attention c off th (X th))); [exact Heps | lia | exact Ha | exact Ht | exact Hj].
Qed.

Lemma diff_seq_stack k th0 (c : shape) : (forall z, ex_derive (activation c) z) -> 0 < ln_eps c ->
  (forall t, (t < context c)%nat -> (visible c t <= context c)%nat) ->
  forall b off (X : vec -> seq), (off + b * block_params c <= k)%nat ->
  diff_seq k th0 (context c) (width c) X ->
  diff_seq k th0 (context c) (width c) (fun th => stack c b off th (X th)).
Proof.
  intros Hact Heps Hvis; induction b as [| b IH]; intros off X Hk HX.
  - exact HX.
  - cbn [Nat.mul] in Hk.
    apply (IH (off + block_params c)%nat (fun th => transformer_block c off th (X th))); [lia |].
    apply transformer_block_differentiable; try assumption; lia.
Qed.

(* Every logit of a decoder is differentiable in its parameters, at every parameter vector. *)
Theorem decoder_differentiable (c : shape) (tok : nat -> nat) t i th0 :
  (forall z, ex_derive (activation c) z) -> 0 < ln_eps c ->
  (forall s, (s < context c)%nat -> (visible c s <= context c)%nat) ->
  (forall s, (s < context c)%nat -> (tok s < vocabulary c)%nat) ->
  (t < context c)%nat -> (i < vocabulary c)%nat ->
  differentiable (decoder_params c) (fun th => decoder c th tok t i) th0.
Proof.
  intros Hact Heps Hvis Htok Ht Hi; unfold decoder.
  set (off := (embedding_params c + blocks c * block_params c)%nat).
  assert (Hoff : (off + 2 * width c + (vocabulary c * width c + vocabulary c))%nat = decoder_params c)
    by reflexivity.
  apply (diff_affine (width c) (vocabulary c) _ (fun th => layer_norm (width c) (ln_eps c) off th
    (stack c (blocks c) (embedding_params c) th (embedding c th tok) t)) i); [lia | exact Hi |].
  intros j Hj.
  apply (diff_seq_layer_norm (decoder_params c) th0 (context c) (width c) (ln_eps c) off
    (fun th => stack c (blocks c) (embedding_params c) th (embedding c th tok)));
    [exact Heps | lia | | exact Ht | exact Hj].
  apply (diff_seq_stack _ th0 c Hact Heps Hvis (blocks c) (embedding_params c)
    (fun th => embedding c th tok)).
  - unfold decoder_params; lia.
  - intros s l Hs Hl; specialize (Htok s Hs); unfold embedding.
    assert (Hemb : (embedding_params c <= decoder_params c)%nat) by (unfold decoder_params; lia).
    unfold embedding_params in Hemb; apply diff_plus; apply diff_coord; nia.
Qed.

(* --- causality: with visible c = S, position t depends on the tokens up to t only --- *)
Lemma affine_ext din d off th x y i : (forall j, (j < din)%nat -> x j = y j) ->
  affine din d off th x i = affine din d off th y i.
Proof. intros E; unfold affine; f_equal; apply rsum_ext; intros j Hj; now rewrite E. Qed.

Lemma layer_norm_ext d eps off th x y i : (i < d)%nat -> (forall j, (j < d)%nat -> x j = y j) ->
  layer_norm d eps off th x i = layer_norm d eps off th y i.
Proof.
  intros Hi E; assert (Ea : average d x = average d y).
  { unfold average; f_equal; now apply rsum_ext. }
  assert (Es : spread d x = spread d y).
  { unfold spread; f_equal; apply rsum_ext; intros j Hj; now rewrite Ea, (E j Hj). }
  unfold layer_norm; now rewrite Ea, Es, (E i Hi).
Qed.

Lemma attention_ext vis c d dk off th x y t i :
  (forall s j, (s < vis t)%nat -> (j < d)%nat -> x s j = y s j) ->
  (forall j, (j < d)%nat -> x t j = y t j) ->
  attention vis c d dk off th x t i = attention vis c d dk off th y t i.
Proof.
  intros E Et; assert (Es : forall s, (s < vis t)%nat ->
    score c d dk off th x t s = score c d dk off th y t s).
  { intros s Hs; unfold score; f_equal; apply dot_ext; intros j _; unfold query, key; apply affine_ext;
      [exact Et | intros l Hl; now apply E]. }
  unfold attention; apply rsum_ext; intros s Hs; f_equal.
  - unfold softmax; rewrite (Es s Hs); f_equal; unfold sumexp.
    apply rsum_ext; intros r Hr; now rewrite Es.
  - unfold value; apply affine_ext; intros j Hj; now apply E.
Qed.

Lemma transformer_block_causal c off th x y T : visible c = S ->
  (forall t i, (t < T)%nat -> (i < width c)%nat -> x t i = y t i) ->
  forall t i, (t < T)%nat -> (i < width c)%nat ->
  transformer_block c off th x t i = transformer_block c off th y t i.
Proof.
  intros Hvis E.
  assert (Ea : forall t i, (t < T)%nat -> (i < width c)%nat ->
    block_attention c off th x t i = block_attention c off th y t i).
  { intros t i Ht Hi; unfold block_attention, multihead; f_equal; [now apply E |].
    apply affine_ext; intros j _; apply attention_ext.
    - intros s l Hs Hl; rewrite Hvis in Hs; apply layer_norm_ext; [exact Hl |].
      intros r Hr; apply E; [lia | exact Hr].
    - intros l Hl; apply layer_norm_ext; [exact Hl | intros r Hr; now apply E]. }
  intros t i Ht Hi; unfold transformer_block, block_mlp; f_equal; [now apply Ea |].
  cbn [mlp]; apply affine_ext; intros j _; f_equal; apply affine_ext.
  intros l Hl; apply layer_norm_ext; [exact Hl | intros r Hr; now apply Ea].
Qed.

Lemma stack_causal c th T : visible c = S -> forall b off x y,
  (forall t i, (t < T)%nat -> (i < width c)%nat -> x t i = y t i) ->
  forall t i, (t < T)%nat -> (i < width c)%nat -> stack c b off th x t i = stack c b off th y t i.
Proof.
  intros Hvis; induction b as [| b IH]; intros off x y E t i Ht Hi.
  - now apply E.
  - cbn [stack]; apply IH; [| exact Ht | exact Hi].
    intros s j Hs Hj; now apply (transformer_block_causal c off th x y T).
Qed.

(* The logits of a causal decoder at position t depend on the tokens up to t only. *)
Theorem decoder_causal (c : shape) th tok tok' t i : visible c = S ->
  (forall s, (s <= t)%nat -> tok s = tok' s) -> decoder c th tok t i = decoder c th tok' t i.
Proof.
  intros Hvis E; unfold decoder; apply affine_ext; intros j Hj; apply layer_norm_ext; [exact Hj |].
  intros l Hl; apply (stack_causal c th (S t)); [exact Hvis | | lia | exact Hl].
  intros s r Hs _; unfold embedding; rewrite E; [reflexivity | lia].
Qed.

(* --- the one-step theorem for transformers --- *)
(* The one-step theorem for transformers: imitation of the n logits picked by sel (all of them, or a subset)
   at position pos x of the token sequence tok x, softmax cross-entropy, m such contexts; a shorter sequence
   may be filled up with any token, which a causal decoder never sees (decoder_causal).  The hypotheses are
   ranges and signs, and hold for a causal decoder (visible c = S) with tanh or GELU; only LT is assumed
   differentiable at th0. *)
Theorem theorem_one_transformer (c : shape) n m (tok : nat -> nat -> nat) (pos sel : nat -> nat)
  w LT th0 eta alpha :
  let k := decoder_params c in
  let f x th := fun i => decoder c th (tok x) (pos x) (sel i) in
  (forall z, ex_derive (activation c) z) -> 0 < ln_eps c ->
  (forall t, (t < context c)%nat -> (visible c t <= context c)%nat) ->
  (forall x t, (x < m)%nat -> (t < context c)%nat -> (tok x t < vocabulary c)%nat) ->
  (forall x, (x < m)%nat -> (pos x < context c)%nat) ->
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < vocabulary c)%nat) ->
  (forall x, (x < m)%nat -> 0 <= w x) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (cross_entropy n) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f Hact Heps Hvis Htok Hpos Hn Hsel Hw HLT Heta Halpha.
  apply (theorem_one k n m (cross_entropy n) (softmax n) (ce_hess n) w f th0); try assumption.
  - now apply ce_compatible.
  - intros x i Hx Hi; apply decoder_differentiable; try assumption.
    + intros t Ht; now apply Htok.
    + now apply Hpos.
    + now apply Hsel.
Qed.

(* The one-step theorem for a causal transformer with tanh units; the trait loss is the next-token negative
   log-likelihood of p labelled contexts, with weights q.  Nothing is assumed but ranges and signs. *)
Theorem theorem_one_transformer_closed (c : shape) n m tok pos sel w p tok' pos' (next : nat -> nat) q
  th0 eta alpha :
  let k := decoder_params c in
  let f x th := fun i => decoder c th (tok x) (pos x) (sel i) in
  let LT := nll_loss (vocabulary c) p q (fun x th => decoder c th (tok' x) (pos' x)) (fun i => i) next in
  activation c = tanh -> visible c = S -> 0 < ln_eps c ->
  (forall x t, (x < m)%nat -> (t < context c)%nat -> (tok x t < vocabulary c)%nat) ->
  (forall x t, (x < p)%nat -> (t < context c)%nat -> (tok' x t < vocabulary c)%nat) ->
  (forall x, (x < m)%nat -> (pos x < context c)%nat) -> (forall x, (x < p)%nat -> (pos' x < context c)%nat) ->
  (0 < n)%nat -> (forall i, (i < n)%nat -> (sel i < vocabulary c)%nat) ->
  (forall x, (x < p)%nat -> (next x < vocabulary c)%nat) ->
  (forall x, (x < m)%nat -> 0 <= w x) -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (cross_entropy n) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros k f LT Hact Hvis Heps Htok Htok' Hpos Hpos' Hn Hsel Hnext Hw Heta Halpha.
  assert (Ha : forall z, ex_derive (activation c) z) by (rewrite Hact; exact ex_derive_tanh).
  assert (Hv : forall t, (t < context c)%nat -> (visible c t <= context c)%nat) by (rewrite Hvis; lia).
  apply theorem_one_transformer; try assumption.
  unfold LT; apply nll_loss_differentiable; [exact Hnext |].
  intros x i Hx Hi; apply decoder_differentiable; try assumption.
  - intros t Ht; now apply Htok'.
  - now apply Hpos'.
Qed.

(* the hypotheses on the shape can be met: two blocks of two heads, and its number of parameters *)
Definition small_shape : shape := {|
  vocabulary := 11; context := 5; width := 4; heads := 2; head_width := 2; hidden := 8; blocks := 2;
  visible := S; divisor := sqrt 2; ln_eps := / 100000; activation := tanh |}.
Fact small_shape_admissible : (forall z, ex_derive (activation small_shape) z) /\ 0 < ln_eps small_shape /\
  (forall t, (t < context small_shape)%nat -> (visible small_shape t <= context small_shape)%nat) /\
  decoder_params small_shape = 471%nat.
Proof.
  split; [exact ex_derive_tanh | split; [simpl; lra | split; [cbn; lia | reflexivity]]].
Qed.
