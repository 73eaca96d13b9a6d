(* The descent lemma, certificates of a sign by finitely many bounds, and a case where the threshold is exact.
   1. Descent.  If the gradient of F moves by at most beta t |h| along the segment th + t h, 0 <= t <= 1, then
          F (th + h) <= F th + <grad F th, h> + beta/2 |h|^2.
      With h = alpha v and u = - grad F th, the trait loss F falls as soon as alpha beta |v|^2 < 2 <v,u>.
   2. Covering.  A function h on [0,E] with h 0 = 0 is shown to be positive on all of (0,E] by finitely many
      bounds: h' > 0 on a first interval [0,e1], and a positive lower bound of h on each of finitely many
      boxes that cover [e1,E].  On a box [a,b] the mean value form
          h t >= h ((a+b)/2) - max |h'| (b-a)/2
      turns a bound of h' on the box and the value of h at one point into such a lower bound.
   3. Quadratic paths.  If the outputs along the teacher's path are g x 0 + t c x + t^2 d x, as they are for a
      linear network of two layers, the alignment for squared error is e q + e^2 V exactly, with
          q = sum_x w x |c x|^2,    V = sum_x w x <d x, c x>,
      so its sign is known for every e > 0, and q / (- V) is the exact threshold if V < 0. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses Thresholds.
Open Scope R_scope.

(* ---- descent ---- *)

(* The descent lemma on a segment: G t is the gradient of F at th + t h, and moves by at most beta t |h|.
   (It holds for any F with a beta-Lipschitz gradient; only the segment matters.) *)
Theorem descent k (F : vec -> R) th h (G : R -> vec) beta :
  (forall t, 0 <= t <= 1 -> is_derive (fun r => F (seg th h r)) t (dot k (G t) h)) ->
  (forall t, 0 <= t <= 1 -> nrm k (vsub (G t) (G 0)) <= beta * (t * nrm k h)) ->
  F (seg th h 1) <= F (seg th h 0) + dot k (G 0) h + beta / 2 * (nrm k h) ^ 2.
Proof.
  intros HD HL. set (s := dot k (G 0) h). set (b := beta / 2 * (nrm k h) ^ 2).
  assert (X : 0 * s + 0 * 0 * b - F (seg th h 0) <= 1 * s + 1 * 1 * b - F (seg th h 1)); [|lra].
  apply (deriv_nonneg_le (fun t => t * s + t * t * b - F (seg th h t))
           (fun t => s + 2 * t * b - dot k (G t) h)); [lra| |].
  - intros t Ht. eapply D_eq.
    + apply D_minus; [apply D_plus|apply HD, Ht].
      * apply D_mult; [apply D_id|apply D_const].
      * apply D_mult; [apply D_mult; apply D_id|apply D_const].
    + cbv beta. ring.
  - intros t Ht. specialize (HL t Ht).
    assert (E : dot k (vsub (G t) (G 0)) h = dot k (G t) h - s) by apply dot_minus_l.
    pose proof (cauchy_schwarz k (vsub (G t) (G 0)) h) as HC. rewrite E in HC.
    apply Rabs_le_between in HC.
    apply (Rmult_le_compat_r (nrm k h)) in HL; [|apply nrm_nonneg].
    unfold b. lra.
Qed.

(* The descent lemma from gradients on R^k. *)
Corollary descent_gradient k (F : vec -> R) th h (G : R -> vec) beta :
  (forall t, 0 <= t <= 1 -> has_grad k F (seg th h t) (G t)) ->
  (forall t, 0 <= t <= 1 -> nrm k (vsub (G t) (G 0)) <= beta * (t * nrm k h)) ->
  F (fun j => th j + h j) <= F th + dot k (G 0) h + beta / 2 * (nrm k h) ^ 2.
Proof.
  intros HG HL.
  rewrite (has_grad_agree k F (seg th h 1) (G 1) (HG 1 ltac:(lra)) (fun j => th j + h j))
    by (intros; unfold seg; ring).
  rewrite (has_grad_agree k F (seg th h 0) (G 0) (HG 0 ltac:(lra)) th) by (intros; unfold seg; ring).
  apply descent; [|exact HL]. intros t Ht. apply has_grad_line, HG, Ht.
Qed.

(* The trait loss falls if the step is short enough for the alignment: G t is the gradient at th + t alpha v,
   the teacher's direction u is minus the gradient at th. *)
Theorem step_threshold k (F : vec -> R) th u v (G : R -> vec) alpha beta : 0 < alpha ->
  let h := fun j => alpha * v j in
  (forall t, 0 <= t <= 1 -> has_grad k F (seg th h t) (G t)) ->
  (forall t, 0 <= t <= 1 -> nrm k (vsub (G t) (G 0)) <= beta * (t * nrm k h)) ->
  (forall j, (j < k)%nat -> G 0 j = - u j) ->
  alpha * beta * (nrm k v) ^ 2 < 2 * dot k v u ->
  F (fun j => th j + alpha * v j) < F th.
Proof.
  intros Ha h HG HL Hu Hs.
  pose proof (descent_gradient k F th h G beta HG HL) as H.
  assert (E1 : dot k (G 0) h = - (alpha * dot k v u)).
  { unfold h. rewrite dot_scal_r, (dot_sym k v u), <- Ropp_mult_distr_r_reverse. f_equal.
    unfold dot. rewrite <- rsum_opp. apply rsum_ext. intros i Hi. rewrite (Hu i Hi). ring. }
  assert (E2 : nrm k h = alpha * nrm k v) by (unfold h; rewrite nrm_scal, Rabs_pos_eq; lra).
  rewrite E1, E2 in H. apply (Rmult_lt_compat_l alpha) in Hs; [|exact Ha].
  change (F (fun j => th j + alpha * v j) <= F th + - (alpha * dot k v u)
          + beta / 2 * (alpha * nrm k v) ^ 2) in H.
  lra.
Qed.

(* The step threshold for a teacher with learning rate eta: u = - eta grad F th. *)
Corollary step_threshold_rate k (F : vec -> R) th u v (G : R -> vec) alpha beta eta : 0 < alpha -> 0 < eta ->
  let h := fun j => alpha * v j in
  (forall t, 0 <= t <= 1 -> has_grad k F (seg th h t) (G t)) ->
  (forall t, 0 <= t <= 1 -> nrm k (vsub (G t) (G 0)) <= beta * (t * nrm k h)) ->
  (forall j, (j < k)%nat -> u j = eta * - G 0 j) ->
  alpha * (eta * beta) * (nrm k v) ^ 2 < 2 * dot k v u ->
  F (fun j => th j + alpha * v j) < F th.
Proof.
  intros Ha He h HG HL Hu Hs.
  apply (step_threshold k F th (fun j => / eta * u j) v G alpha beta Ha HG HL).
  - intros j Hj. rewrite (Hu j Hj). field. lra.
  - rewrite dot_scal_r. apply (Rmult_lt_reg_l eta); [exact He|].
    replace (eta * (2 * (/ eta * dot k v u))) with (2 * dot k v u) by (field; lra). lra.
Qed.

(* ---- covering ---- *)

(* boxes with common end points leave no gap *)
Lemma box_exists (b : nat -> R) N t : b 0%nat < t <= b N -> exists i, (i < N)%nat /\ b i <= t <= b (S i).
Proof.
  induction N as [|N IH]; intros Ht; [lra|].
  destruct (Rle_lt_dec t (b N)) as [H|H].
  - destruct IH as [i [Hi Hb]]; [lra|]. exists i. split; [lia|exact Hb].
  - exists N. split; [lia|lra].
Qed.

(* From finitely many bounds to a sign on all of (0,E]: h' > 0 up to e1, and a lower bound lo i > 0 of h on
   each box [b i, b (i+1)], the boxes reaching from e1 (or before) to E (or beyond). *)
Theorem cover (h h1 : R -> R) e1 E (b lo : nat -> R) N :
  h 0 = 0 ->
  (forall t, 0 <= t <= e1 -> is_derive h t (h1 t) /\ 0 < h1 t) ->
  b 0%nat <= e1 -> E <= b N ->
  (forall i, (i < N)%nat -> 0 < lo i /\ forall t, b i <= t <= b (S i) -> lo i <= h t) ->
  forall t, 0 < t <= E -> 0 < h t.
Proof.
  intros H0 H1 Hb0 HbN Hlo t Ht. destruct (Rle_lt_dec t e1) as [Hte|Hte].
  - destruct (MVT_gen h 0 t h1) as [z [Hz Ez]].
    + intros s Hs. rewrite Rmin_left, Rmax_right in Hs by lra. apply H1; lra.
    + intros s Hs. rewrite Rmin_left, Rmax_right in Hs by lra.
      apply continuity_pt_filterlim, (ex_derive_continuous (V := R_NormedModule)).
      exists (h1 s). apply H1; lra.
    + rewrite Rmin_left, Rmax_right in Hz by lra. destruct (H1 z ltac:(lra)) as [_ Hp].
      pose proof (Rmult_lt_0_compat (h1 z) (t - 0) Hp ltac:(lra)). lra.
  - destruct (box_exists b N t) as [i [Hi Hbi]]; [lra|].
    destruct (Hlo i Hi) as [Hp Hl]. specialize (Hl t Hbi). lra.
Qed.

(* The mean value form on one box [a,b]. *)
Lemma mean_value_form (h h1 : R -> R) a b lo hi :
  (forall t, a <= t <= b -> is_derive h t (h1 t) /\ lo <= h1 t <= hi) ->
  forall t, a <= t <= b -> h ((a + b) / 2) - Rmax (Rabs lo) (Rabs hi) * ((b - a) / 2) <= h t.
Proof.
  intros H t Ht. set (c := (a + b) / 2). set (K := Rmax (Rabs lo) (Rabs hi)).
  assert (In : forall s, Rmin t c <= s <= Rmax t c -> a <= s <= b).
  { intros s Hs. unfold c in Hs. unfold Rmin, Rmax in Hs.
    destruct (Rle_dec t ((a + b) / 2)); lra. }
  destruct (MVT_gen h t c h1) as [z [Hz Ez]].
  - intros s Hs. apply H, In. lra.
  - intros s Hs. apply continuity_pt_filterlim, (ex_derive_continuous (V := R_NormedModule)).
    exists (h1 s). apply H, In. exact Hs.
  - destruct (H z (In z Hz)) as [_ Hb].
    assert (A : Rabs (h1 z) <= K) by (apply RmaxAbs; lra).
    assert (B : Rabs (c - t) <= (b - a) / 2) by (apply Rabs_le; unfold c; lra).
    pose proof (Rmult_le_compat _ _ _ _ (Rabs_pos (h1 z)) (Rabs_pos (c - t)) A B) as HM.
    rewrite <- Rabs_mult in HM. pose proof (Rle_abs (h1 z * (c - t))). lra.
Qed.

(* Both together: what a finite certificate has to contain. On box i the derivative lies in [lo i, hi i], and
   y i is a lower bound of h at the midpoint that exceeds max(|lo i|,|hi i|) times half the length. *)
Theorem certificate (h h1 : R -> R) e1 E (b lo hi y : nat -> R) N :
  h 0 = 0 ->
  (forall t, 0 <= t <= e1 -> is_derive h t (h1 t) /\ 0 < h1 t) ->
  b 0%nat <= e1 -> E <= b N ->
  (forall i t, (i < N)%nat -> b i <= t <= b (S i) -> is_derive h t (h1 t) /\ lo i <= h1 t <= hi i) ->
  (forall i, (i < N)%nat -> y i <= h ((b i + b (S i)) / 2) /\
     Rmax (Rabs (lo i)) (Rabs (hi i)) * ((b (S i) - b i) / 2) < y i) ->
  forall t, 0 < t <= E -> 0 < h t.
Proof.
  intros H0 H1 Hb0 HbN Hd Hy.
  apply (cover h h1 e1 E b (fun i => y i - Rmax (Rabs (lo i)) (Rabs (hi i)) * ((b (S i) - b i) / 2)) N);
    try assumption.
  intros i Hi. destruct (Hy i Hi) as [Hm Hr]. split; [lra|]. intros t Ht.
  pose proof (mean_value_form h h1 (b i) (b (S i)) (lo i) (hi i) (fun s Hs => Hd i s Hi Hs) t Ht). lra.
Qed.

(* ---- quadratic paths ---- *)

(* Outputs that are quadratic along the path: the alignment for squared error is e q + e^2 V, so its sign is
   known for all e > 0, and for V < 0 the threshold q / (- V) is exact. (q > 0 as soon as one input of
   positive weight has c x <> 0 and no weight is negative.) *)
Theorem quadratic_threshold n m w g (c d : nat -> vec) :
  (forall x i t, (x < m)%nat -> (i < n)%nat -> g x t i = g x 0 i + t * c x i + t ^ 2 * d x i) ->
  let q := rsum m (fun x => w x * (nrm n (c x)) ^ 2) in
  let V := rsum m (fun x => w x * dot n (d x) (c x)) in
  (forall e, align n m mse_link w g c e = e * q + e ^ 2 * V) /\
  (0 < q -> 0 <= V -> forall e, 0 < e -> 0 < align n m mse_link w g c e) /\
  (0 < q -> V < 0 ->
     (forall e, 0 < e < q / - V -> 0 < align n m mse_link w g c e) /\
     align n m mse_link w g c (q / - V) = 0 /\
     (forall e, q / - V < e -> align n m mse_link w g c e < 0)).
Proof.
  intros Hg q V.
  assert (A : forall e, align n m mse_link w g c e = e * q + e ^ 2 * V).
  { intros e. unfold q, V, align. rewrite <- !rsum_scal, <- rsum_plus. apply rsum_ext. intros x Hx.
    replace (nrm n (c x) ^ 2) with (dot n (c x) (c x)) by (rewrite <- nrm_sqr; ring).
    transitivity (w x * (e * dot n (c x) (c x) + e ^ 2 * dot n (d x) (c x))); [|ring]. f_equal.
    unfold dot, mse_link. rewrite <- !rsum_scal, <- rsum_plus. apply rsum_ext. intros i Hi.
    rewrite (Hg x i e Hx Hi). ring. }
  split; [exact A|]. split.
  - intros Hq HV e He. rewrite A. pose proof (Rmult_lt_0_compat e q He Hq).
    pose proof (Rmult_le_pos (e ^ 2) V (pow2_ge_0 e) HV). lra.
  - intros Hq HV. set (E := q / - V).
    assert (HE : 0 < E) by (apply Rdiv_lt_0_compat; lra).
    assert (F : forall e, align n m mse_link w g c e = e * ((E - e) * - V)).
    { intros e. rewrite A. unfold E. field. lra. }
    split; [|split].
    + intros e He. rewrite F. apply Rmult_lt_0_compat; [lra|]. apply Rmult_lt_0_compat; lra.
    + rewrite F. ring.
    + intros e He. rewrite F.
      assert (0 < e * ((e - E) * - V)) by (apply Rmult_lt_0_compat; [lra|apply Rmult_lt_0_compat; lra]). lra.
Qed.

(* a linear network of two layers: din inputs, p hidden units, A l and B i the rows of its matrices *)
Definition two_layer (din p : nat) (B A : nat -> vec) (X : vec) : vec :=
  fun i => rsum p (fun l => B i l * dot din (A l) X).
(* matrices moved by e in the direction dA *)
Definition shifted (e : R) (A dA : nat -> vec) : nat -> vec := fun i j => A i j + e * dA i j.

Lemma two_layer_shifted din p B A dB dA X e i :
  two_layer din p (shifted e B dB) (shifted e A dA) X i =
    two_layer din p B A X i + e * (two_layer din p dB A X i + two_layer din p B dA X i)
    + e ^ 2 * two_layer din p dB dA X i.
Proof.
  unfold two_layer. rewrite <- rsum_plus, <- !rsum_scal, <- !rsum_plus. apply rsum_ext. intros l Hl.
  assert (E : dot din (shifted e A dA l) X = dot din (A l) X + e * dot din (dA l) X).
  { rewrite <- dot_scal_l. apply (dot_plus_l din (A l) (fun j => e * dA l j) X). }
  rewrite E. unfold shifted. ring.
Qed.

(* The two-layer linear network with matrices B, A and teacher's direction (dB, dA): with c = dB A X + B dA X,
   the derivative of its outputs along the path, and d = dB dA X, the threshold for squared error is exact.
   (`align` of the output paths; alignment_is_align reads it on a parameter vector.) *)
Theorem two_layer_threshold din p n m w (X : nat -> vec) B A dB dA :
  let g x e := two_layer din p (shifted e B dB) (shifted e A dA) (X x) in
  let c x := fun i => two_layer din p dB A (X x) i + two_layer din p B dA (X x) i in
  let d x := two_layer din p dB dA (X x) in
  let q := rsum m (fun x => w x * (nrm n (c x)) ^ 2) in
  let V := rsum m (fun x => w x * dot n (d x) (c x)) in
  (forall x i, is_derive (fun e => g x e i) 0 (c x i)) /\
  (0 < q -> 0 <= V -> forall e, 0 < e -> 0 < align n m mse_link w g c e) /\
  (0 < q -> V < 0 ->
     (forall e, 0 < e < q / - V -> 0 < align n m mse_link w g c e) /\
     align n m mse_link w g c (q / - V) = 0 /\
     (forall e, q / - V < e -> align n m mse_link w g c e < 0)).
Proof.
  intros g c d q V. split.
  - intros x i. apply (is_derive_ext (fun e => two_layer din p B A (X x) i + e * c x i + e ^ 2 * d x i)).
    + intros e. symmetry. apply two_layer_shifted.
    + auto_derive; [exact I|ring].
  - apply (quadratic_threshold n m w g c d). intros x i t Hx Hi. unfold g.
    rewrite (two_layer_shifted din p B A dB dA (X x) t), (two_layer_shifted din p B A dB dA (X x) 0).
    unfold c, d. ring.
Qed.
